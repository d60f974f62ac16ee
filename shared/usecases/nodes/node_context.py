"""What the execution of one node instance knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.domain.budgets import Fund, part_fund
from shared.domain.ids import Instance, RunId, instance_of
from shared.domain.nodes import item_label
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plans import AnyWork, LoopWork, MapWork, Part, Plan, PlanNode
from shared.domain.runs import Run
from shared.ports.documents import Snapshot
from shared.ports.tools import ToolContext
from shared.usecases.nodes.allowance import Allowance
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.engine import LoadedRun, Viewer
from shared.usecases.nodes.purse import Purse
from shared.usecases.nodes.session_log import SessionLog


@dataclass(frozen=True, slots=True)
class Item:
    """An instance's place in its map."""

    index: int
    count: int
    value: Any


@dataclass(frozen=True, slots=True)
class Target:
    """A node instance that may be executed: the run, its plan, the vertex, and the item for an instance of a map."""

    run: Run
    graph: PlanGraph
    node: PlanNode
    item: Item | None = None

    @classmethod
    def of(cls, loaded: LoadedRun, node: PlanNode, item: Item | None = None) -> Target:
        """The target in a loaded run."""
        return cls(loaded.run, loaded.graph, node, item)

    @property
    def instance(self) -> Instance:
        """The instance's name."""
        return instance_of(self.node.id, self.run.epoch, None if self.item is None else self.item.index)

    @property
    def work(self) -> AnyWork:
        """What to do: an item of a map and a round of a loop do the body's."""
        work = self.node.work
        return work.body if self.item is not None and isinstance(work, MapWork | LoopWork) else work

    @property
    def funds(self) -> tuple[Fund, ...]:
        """What it draws on: the budgets of the run, and those that kept agents bring that it is a part of."""
        run, parts = self.run, self.graph.plan.parts_of(self.node)
        limited = [one for one in parts if one.budget.limited]
        return (*run.funds, *(part_fund(run.id, self.part(one), run.owner_uid, one.budget) for one in limited))

    def part(self, part: Part) -> Instance:
        """The instance that a part is which it belongs to."""
        index = self.item.index if self.item is not None and part.vertex == self.node.id else None
        return instance_of(part.vertex, self.run.epoch, index)

    @property
    def label(self) -> str | None:
        """The item, for people."""
        return None if self.item is None else item_label(self.item.value)

    @property
    def position(self) -> tuple[int, int] | None:
        """Index and count of the item."""
        return None if self.item is None else (self.item.index, self.item.count)


@dataclass(frozen=True, slots=True)
class NodeContext:
    """A claimed node instance.

    Args:
        target: what to execute, with the run as read after the claim.
        attempt: the right to write for it.
        failures: how many attempts before this one ended in a retryable error.
        waits: how many attempts before this one ended in waiting, for people or for a budget that others hold.
        skips: a predecessor did not succeed, so the node is skipped.
        log: the session's log, if this node ends the run and so writes it.
        history: the session's model messages, for the node that speaks in the session.
        viewer: who watches in this process.
        allowance: what the node and its delegates may consume together.
        stored: the node as it was read after the claim; None where the claim came with the run.
        run_seconds: how much of the run's time had passed when it was read; it may have stood still since.
        drawn: the purse of the node and its delegates; None until the node is executed.
    """

    target: Target
    attempt: Attempt
    failures: int = 0
    waits: int = 0
    skips: bool = False
    log: SessionLog | None = None
    history: tuple[str, ...] = ()
    viewer: Viewer | None = None
    allowance: Allowance = field(default_factory=Allowance)
    stored: Snapshot | None = None
    run_seconds: float = 0.0
    drawn: Purse | None = None

    @property
    def run(self) -> Run:
        """The run as read after the claim."""
        return self.target.run

    @property
    def purse(self) -> Purse:
        """What the node draws from the run's funds."""
        assert self.drawn is not None  # noqa: S101 - whoever executes a node opens its purse first
        return self.drawn

    @property
    def run_id(self) -> RunId:
        """The run's id."""
        return self.target.run.id

    @property
    def instance(self) -> Instance:
        """The instance's name."""
        return self.target.instance

    @property
    def plan(self) -> Plan:
        """The run's plan."""
        return self.target.graph.plan

    def tool_context(self) -> ToolContext:
        """The context in which this node calls its tools."""
        origin = self.plan.origin_of(self.target.node)
        return ToolContext(
            owner_uid=self.run.owner_uid,
            session_id=self.run.session_id,
            run_id=self.run.id,
            instance=self.instance,
            author_uid=self.run.author_uid if origin is None else origin.author_uid,
        )
