"""Use cases of a session's files."""
