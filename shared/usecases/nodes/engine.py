"""What the engine's use cases work with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakSet

from shared.domain.events import Event
from shared.domain.ids import RunId, Uid
from shared.domain.plan_graphs import PlanGraph
from shared.domain.quotas import Quota
from shared.domain.run_bounds import MOST_NODE_RUNS, PlanBounds
from shared.domain.runs import WAVE, Run
from shared.ports.agent_runner import AgentRunner
from shared.ports.clock import Clock
from shared.ports.conditions import Conditions
from shared.ports.documents import Documents
from shared.ports.fact_topic import FactTopic
from shared.ports.id_source import Ids
from shared.ports.task_queue import TaskQueue
from shared.ports.tools import Toolbox
from shared.usecases.nodes.kept_lists import KeptLists


@dataclass(frozen=True, slots=True)
class CompiledVersion:
    """The plan of an agent's version, who wrote the version, what its runs take in, and what they come to at most."""

    graph: PlanGraph
    author_uid: Uid
    input_schema: Mapping[str, Any] | None = None
    bounds: PlanBounds | None = None


@dataclass(frozen=True, slots=True)
class Core:
    """The ports that every use case of runs needs; light enough for every function.

    Args:
        plans: compiled plans by the path of their agent's version, kept because versions never change.
        topic: where facts are published; without one they wait for the sweeper.
        quota: what people may do for whom nobody has set anything else.
        wave: how many items of a map are set off at once, at most.
        most_node_runs: how many node runs a run may come to.
    """

    documents: Documents
    queue: TaskQueue
    clock: Clock
    ids: Ids
    plans: dict[str, CompiledVersion] = field(default_factory=dict[str, CompiledVersion])
    topic: FactTopic | None = None
    quota: Quota = field(default_factory=Quota)
    wave: int = WAVE
    most_node_runs: int = MOST_NODE_RUNS


@dataclass(frozen=True, slots=True)
class LoadedRun:
    """The immutable part of a run: its plan, and the document as it was when it was loaded."""

    run: Run
    graph: PlanGraph


@dataclass(frozen=True, slots=True)
class Engine:
    """The ports and limits with which nodes are executed.

    Args:
        lease_seconds: how long an attempt may be silent before another takes its node over.
        max_attempts: after so many attempts a node fails, whatever its own retry policy says.
        report_defect: told of every exception that is not a DomainError.
        loaded: plans by run, kept because they never change.
        lists: the lists of maps that this process has read.
        held: the attempts that this process makes now.
    """

    core: Core
    runner: AgentRunner
    toolbox: Toolbox
    conditions: Conditions
    report_defect: Callable[[BaseException], None]
    lease_seconds: float = 30.0
    max_attempts: int = 20
    loaded: dict[RunId, LoadedRun] = field(default_factory=dict[RunId, LoadedRun])
    lists: KeptLists = field(default_factory=KeptLists)
    held: WeakSet[Yielding] = field(default_factory=WeakSet["Yielding"])


class Yielding(Protocol):
    """What can be asked to go on in another request."""

    def give_way(self, *, at_once: bool = False) -> None:
        """Go on elsewhere, from the next step or at once."""
        ...


class Viewer(Protocol):
    """Somebody in this process who watches a run live; what it is told must not block."""

    def text(self, step: int, try_: int, delta: str) -> None:
        """More visible text of a step; a higher try voids the lower ones' text."""
        ...

    def event(self, event: Event) -> None:
        """An event was committed to the session's log."""
        ...
