"""Deployables: one folder, one identity, one set of requirements each."""
