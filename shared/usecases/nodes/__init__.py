"""The engine: how one node of a run is executed."""
