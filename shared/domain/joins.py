"""Joins: how a vertex learns that all its predecessors have ended, without reading them.

Every predecessor resolves each of its edges once, in the commit that ends it: the successor's counter grows by
`resolved` 1 and `ok` 1 or 0. A map's edge stands for one edge until it expands into n items; then `added` grows by
n - 1 and each item resolves its own; a map without items resolves it itself. The counter is made by the first that
writes it, so a run starts with none. Vertices that wait for the same have one counter, that of the first of them.

More than SHARD_ABOVE edges into one vertex would make its counter a hot document, so they count in shards first; the
edge that completes a shard adds the shard's sums to the counter, once (a marker document guards it).
Source: https://firebase.google.com/docs/firestore/best-practices (soft limit on updates of one document)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from shared.domain.ids import Instance, NodeId, RunId, instance_of
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import PlanNode
from shared.domain.writes import Create, Increment, Merge, Write

SHARD_ABOVE = 50


class Readiness(Enum):
    """What a vertex's counter says."""

    WAIT = "wait"
    FIRE = "fire"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class JoinCount:
    """The document `runs/{run}/joins/{instance}`; absent means all zero."""

    resolved: int = 0
    ok: int = 0
    added: int = 0

    @classmethod
    def read(cls, fields: Mapping[str, Any] | None) -> JoinCount:
        """The counter of a document's fields, or of a commit's sums."""
        known = fields or {}
        return cls(known.get("resolved", 0), known.get("ok", 0), known.get("added", 0))


def decide(in_degree: int, count: JoinCount, enough: int | None = None) -> Readiness:
    """Whether a vertex with `in_degree` edges in the plan fires: `enough` of them must have succeeded, or all.

    It fires as soon as enough have, and is skipped when all are resolved and too few have.
    """
    total = in_degree + count.added
    wanted = total if enough is None else min(enough, total)
    if enough is not None and count.ok >= wanted > 0:
        return Readiness.FIRE
    if count.resolved < total:
        return Readiness.WAIT
    return Readiness.FIRE if count.ok >= wanted else Readiness.SKIP


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the edges into a vertex that counts for itself: its number, and how many edges it has."""

    number: int
    size: int


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge that a node instance resolves when it ends.

    Args:
        successor: the vertex that waits.
        counter: path of its counter, which others may have too.
        shard: where the edge counts first; None counts at the counter itself.
        source: the map that the edge's shard belongs to.
    """

    run_id: RunId
    successor: PlanNode
    instance: Instance
    counter: str
    source: NodeId
    shard: Shard | None = None

    @property
    def path(self) -> str:
        """Path of the document in which this edge counts."""
        return self.counter if self.shard is None else f"{self.counter}.{self.source}.{self.shard.number}"

    @property
    def marker(self) -> str:
        """Path of the document that says that the edge's shard was added to the counter."""
        return f"{self.path}.done"

    def is_complete(self, count: JoinCount) -> bool:
        """Whether `count`, read at `path`, says that every edge counted there is resolved."""
        if self.shard is not None:
            return count.resolved >= self.shard.size
        return self.total_is_complete(count)

    def total_is_complete(self, count: JoinCount) -> bool:
        """Whether the successor's counter says that all its edges are resolved."""
        return decide(len(self.successor.after), count, self.successor.enough) is not Readiness.WAIT


def join_path(graph: PlanGraph, run_id: RunId, epoch: int, node: NodeId) -> str:
    """Where the counter of a vertex is stored."""
    return f"runs/{run_id}/joins/{instance_of(graph.counted_by[node].id, epoch)}"


def shard_of(index: int, count: int) -> Shard | None:
    """The shard in which edge `index` of `count` counts; None when there are few."""
    if count <= SHARD_ABOVE:
        return None
    shards = math.isqrt(count)
    number = index % shards
    return Shard(number, len(range(number, count, shards)))


def needs_counter(graph: PlanGraph, node: PlanNode) -> bool:
    """Whether a vertex counts at all: one plain predecessor fires it directly."""
    return len(node.after) > 1 or (len(node.after) == 1 and graph.expands(node.after[0]))


def edges_out(
    graph: PlanGraph, run_id: RunId, epoch: int, node: NodeId, item: tuple[int, int] | None = None
) -> tuple[Edge, ...]:
    """The edges that an instance of `node` resolves; `item` is the index and the count of a map's items."""
    return tuple(
        Edge(
            run_id=run_id,
            successor=successor,
            instance=instance_of(successor.id, epoch),
            counter=join_path(graph, run_id, epoch, successor.id),
            source=node if item else NodeId(""),
            shard=_shard(graph, graph.counted_by[successor.id], node, item),
        )
        for successor in graph.successors[node]
    )


def counted(graph: PlanGraph, edges: Iterable[Edge]) -> dict[str, list[Edge]]:
    """The edges that are counted, by where they count; the others fire their successor directly."""
    found: dict[str, list[Edge]] = {}
    for edge in edges:
        if needs_counter(graph, edge.successor):
            found.setdefault(edge.path, []).append(edge)
    return found


def _shard(graph: PlanGraph, successor: PlanNode, node: NodeId, item: tuple[int, int] | None) -> Shard | None:
    """Where an edge counts first; a join that needs only some of its edges must hear of each of them at once."""
    if successor.enough is not None:
        return None
    return shard_of(*item) if item else _shard_of_plain(graph, successor, node)


def _shard_of_plain(graph: PlanGraph, successor: PlanNode, node: NodeId) -> Shard | None:
    """The shard of a vertex's own edge; a map's counts at the counter itself, so no shard may wait for it."""
    plain = [before for before in successor.after if not graph.expands(before)]
    return shard_of(plain.index(node), len(plain)) if node in plain else None


def resolve(edge: Edge, *, ok: bool) -> Merge:
    """The write that resolves an edge."""
    return Merge(edge.path, {"resolved": Increment(1), "ok": Increment(int(ok)), "added": Increment(0)})


def expand(edge: Edge, items: int) -> Merge:
    """The write by which a map of `items`, at least one, replaces its one edge by theirs."""
    return Merge(edge.path, {"resolved": Increment(0), "ok": Increment(0), "added": Increment(items - 1)})


def promote(edge: Edge, shard: JoinCount) -> list[Write]:
    """The commit that adds a complete shard to the counter; its marker makes it happen once."""
    sums = {"resolved": Increment(shard.resolved), "ok": Increment(shard.ok), "added": Increment(0)}
    return [Create(edge.marker, {"resolved": shard.resolved}), Merge(edge.counter, sums)]
