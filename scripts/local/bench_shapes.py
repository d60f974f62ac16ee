"""The graphs that are measured, for Fireloom and its peers alike. It needs the standard library only."""

from __future__ import annotations

from dataclasses import dataclass

PAUSE_SECONDS = 0.05
"""What a node waits for, where it is not empty."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A graph of layers, in which every node waits for all nodes of the layer before it.

    Args:
        name: what the table calls it.
        layers: how many nodes each layer has.
    """

    name: str
    layers: tuple[int, ...]

    @property
    def nodes(self) -> int:
        """How many nodes it has."""
        return sum(self.layers)

    def critical_path(self, node_seconds: float) -> float:
        """Seconds that the graph takes at least, whatever executes it."""
        return len(self.layers) * node_seconds

    def overhead(self, wall_seconds: float, node_seconds: float) -> float:
        """Milliseconds per node that the graph took beyond its critical path."""
        return (wall_seconds - self.critical_path(node_seconds)) / self.nodes * 1000


CHAIN = Shape("chain of 20", (1,) * 20)
FAN_100 = Shape("fan-out of 100", (1, 100, 1))
FAN_500 = Shape("fan-out of 500", (1, 500, 1))
GRID = Shape("10 x 10", (10,) * 10)
FAN_5000 = Shape("fan-out of 5,000", (1, 5000, 1))
SHAPES = (CHAIN, FAN_100, FAN_500, GRID)
"""What the peers execute too."""
WIDE = 50
"""A layer of more nodes is one that an author would not write out: a map over a list."""


@dataclass(frozen=True, slots=True)
class Job:
    """One execution: a shape of nodes that are empty, or of nodes that wait for a server that pauses."""

    shape: Shape
    pauses: bool

    @property
    def label(self) -> str:
        """What the table calls it."""
        return f"{self.shape.name}, {'50 ms' if self.pauses else 'empty'} nodes"

    @property
    def node_seconds(self) -> float:
        """How long one of its nodes takes at least."""
        return PAUSE_SECONDS if self.pauses else 0.0

    def overhead(self, wall_seconds: float) -> float:
        """Milliseconds per node that it took beyond its critical path."""
        return self.shape.overhead(wall_seconds, self.node_seconds)


JOBS = tuple(Job(shape, pauses) for shape in SHAPES for pauses in (False, True))
"""In the order of the table."""
