"""Agents run by Pydantic AI: the real providers and the two local models."""
