"""Agents that run by the clock."""
