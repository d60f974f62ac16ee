"""Use cases of agents and their versions."""
