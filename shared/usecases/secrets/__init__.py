"""Use cases of the secrets that people store for their tools."""
