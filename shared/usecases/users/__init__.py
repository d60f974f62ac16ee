"""Use cases of people and their accounts."""
