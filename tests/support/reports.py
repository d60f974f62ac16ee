"""What suites want printed at the end."""

REPORTS: list[tuple[str, list[str]]] = []
"""Titles and lines."""
