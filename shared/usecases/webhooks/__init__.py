"""Telling other people's servers what happened."""
