"""What `scripts/bench` measures, one file per question."""
