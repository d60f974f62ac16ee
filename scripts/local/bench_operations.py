"""What a tool node reads and writes in Firestore, counted in one process against the emulator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from scripts.local.bench_engine import CountingDocuments, Rig
from scripts.local.bench_figures import Figure
from scripts.local.bench_graphs import input_of, nodes_of
from scripts.local.bench_shapes import Shape
from scripts.local.environment import StackSettings
from shared.domain.writes import Delete, Write
from shared.ports.documents import Committed, Query, Snapshot

_READS_MARK = 2
_WRITES_MARK = 4
_CHAINS = (Shape("chain of 5", (1,) * 5), Shape("chain of 15", (1,) * 15))
_FANS = (Shape("fan-out of 100", (1, 100, 1)), Shape("fan-out of 500", (1, 500, 1)))
_GRIDS = (Shape("10 x 5", (10,) * 5), Shape("10 x 10", (10,) * 10))
_NODE = {"kind": "tool", "tool": "calculator", "arguments": {"expression": "1 + 1"}}
_RECORDS = ("journal", "segments")


@dataclass(frozen=True, slots=True)
class Operations:
    """Documents that were read and written.

    Args:
        reads: documents read.
        writes: documents written for the protocol: nodes, leases, counters.
        shards: documents written to add a join's shards up, once for each of its shards.
        end: documents read to end the run, which adds up what all of its nodes consumed.
        deletes: documents deleted, which are billed apart, at a fraction.
        records: documents written for what a node did: its journal, its live text, and the lease in such a commit.
        refused: commits that were aborted.
    """

    reads: float = 0
    writes: float = 0
    shards: float = 0
    end: float = 0
    deletes: float = 0
    records: float = 0
    refused: float = 0

    def __add__(self, other: Operations) -> Operations:
        return self._with(other, 1)

    def __sub__(self, other: Operations) -> Operations:
        return self._with(other, -1)

    def __truediv__(self, number: int) -> Operations:
        return Operations(*(value / number for value in self._values()))

    def _with(self, other: Operations, sign: int) -> Operations:
        pairs = zip(self._values(), other._values(), strict=True)
        return Operations(*(mine + sign * its for mine, its in pairs))

    def _values(self) -> Iterator[float]:
        return (getattr(self, each.name) for each in fields(self))


def sort_writes(writes: Sequence[Write]) -> Operations:
    """The writes of a commit by what they are for."""
    if all(_is_in(write.path, "joins") for write in writes):
        return Operations(shards=len(writes))
    records = sum(_is_in(write.path, *_RECORDS) for write in writes)
    if records and all(_is_lease(write.path) or _is_in(write.path, *_RECORDS) for write in writes):
        return Operations(records=len(writes))
    deletes = sum(isinstance(write, Delete) for write in writes)
    return Operations(writes=len(writes) - deletes - records, deletes=deletes, records=records)


def _is_lease(path: str) -> bool:
    return path.startswith("leases/")


def _is_in(path: str, *collections: str) -> bool:
    return len(parts := path.split("/")) > 1 and parts[-2] in collections


class SortingDocuments(CountingDocuments):
    """Counts what goes through to a store, and sorts it."""

    seen = Operations()

    async def query(self, query: Query) -> list[Snapshot]:
        """Read the documents that match: only the end of a run asks for all of its nodes."""
        found = await super().query(query)
        if query.collection.endswith("/nodes"):
            self.seen += Operations(end=len(found))
        return found

    async def commit(self, writes: Sequence[Write]) -> Committed:
        """Apply all writes or none."""
        committed = await super().commit(writes)
        self.seen += sort_writes(writes)
        return committed


async def operation_figures(settings: StackSettings) -> list[Figure]:
    """What one more node costs, in a chain, a fan-out and layers of ten; and the aborted commits of a wide join."""
    rig = Rig(settings, "demo-bench-operations")
    documents = SortingDocuments(rig.documents)
    rig.engine = replace(rig.engine, core=replace(rig.engine.core, documents=documents))
    figures: list[Figure] = []
    for kind, shapes in (("chain", _CHAINS), ("fan-out", _FANS), ("10 x 10", _GRIDS)):
        least, most = [await _count(rig, documents, shape) for shape in shapes]
        node = (most - least) / (shapes[1].nodes - shapes[0].nodes)
        figures += [
            Figure(f"documents read per tool node, {kind}", node.reads, "reads", mark=_READS_MARK),
            Figure(f"documents written per tool node, {kind}", node.writes, "writes", mark=_WRITES_MARK),
            Figure(f"documents read per node to end the run, {kind}", node.end, "reads"),
            Figure(f"documents written per node to add up the join's shards, {kind}", node.shards, "writes"),
            Figure(f"documents deleted per tool node, {kind}", node.deletes, "deletes"),
            Figure(f"journal and segments per tool node, {kind}", node.records, "writes"),
        ]
        if kind == "fan-out":
            figures.append(Figure("500-way join of tool nodes, aborted commits", most.refused, "commits", mark=0))
    return figures


async def _count(rig: Rig, documents: SortingDocuments, shape: Shape) -> Operations:
    definition: dict[str, Any] = {"type": "graph", "graph": {"nodes": nodes_of(shape, _NODE)}}
    agent = await rig.make_agent(**definition)
    documents.seen = Operations()
    starting, executing, _ = await rig.run(agent, input_of(shape))
    del starting  # its writes are the same for both shapes of a kind, so they fall out of the difference
    reads = executing.reads - documents.seen.end
    return documents.seen + Operations(reads=reads, refused=executing.refused)
