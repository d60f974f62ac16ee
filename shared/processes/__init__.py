"""Programs that read what people wrote, each in a process of its own that can be stopped."""
