"""Check a graph as far as it can be before it runs: its conditions, the agents that it refers to, and its bounds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from shared.domain.agents import LATEST
from shared.domain.condition_samples import sample_scope, unknown_names
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import FailedPrecondition, Fault, InvalidArgument
from shared.domain.grants import Permission
from shared.domain.graph_analysis import conditions_in, kept_faults
from shared.domain.graph_definitions import AgentReference
from shared.domain.graph_types import Condition
from shared.domain.ids import AgentId
from shared.domain.kept_agents import KeptAgent, KeptAgents
from shared.domain.plan_bounds import bound_faults, bound_plan
from shared.domain.plan_widths import MOST_IN_COMMIT, width_faults
from shared.domain.planning import compile_plan
from shared.domain.plans import Plan
from shared.domain.run_bounds import PlanBounds
from shared.domain.writes import Update, Write
from shared.ports.conditions import Conditions
from shared.ports.documents import Snapshot
from shared.ports.identity import Identity
from shared.usecases.agents.find_circles import find_circles
from shared.usecases.agents.find_kept_agents import find_kept_agents
from shared.usecases.agents.shelf import Shelf
from shared.usecases.grants.open_agent import OpenedAgent, admit

_NOT_NUMBERED = -1
"""Of a version that is not stored yet."""


@dataclass(frozen=True, slots=True)
class CheckedGraph:
    """What a check came to.

    Args:
        bounds: the most that a run of the definition can come to.
        while_unchanged: to be written in the commit of a version: they change nothing, and refuse it where an agent
            that it refers to was changed since. So two that are saved at one instant close no circle together.
    """

    bounds: PlanBounds
    while_unchanged: tuple[Write, ...] = ()


async def check_graph(
    shelf: Shelf,
    caller: Identity,
    definition: AgentDefinition,
    agent_id: AgentId | None = None,
    coming: KeptAgents | None = None,
) -> CheckedGraph:
    """The most that a run of a definition can come to, if it can be planned of agents that its author may run.

    Args:
        shelf: the store, what evaluates conditions, and the most that a run may come to here.
        caller: the author.
        definition: without faults that it shows by itself.
        agent_id: the agent whose latest version it becomes, so that whoever refers to that one comes to run it.
        coming: what references mean to agents that will be stored before this one.

    Raises:
        InvalidArgument: with everything that is wrong.
        Unavailable: the store does not answer.
    """
    opened: list[Snapshot] = []

    async def opening(snapshot: Snapshot) -> OpenedAgent:
        opened.append(snapshot)
        return await admit(shelf.documents, caller, snapshot, Permission.RUN)

    written = None if agent_id is None else not_stored(agent_id, caller, definition)
    known = {**(coming or {}), **(_latest(written) if written else {})}
    try:
        kept = await find_kept_agents(shelf.documents, definition, opening, known)
        plan = _plan(definition, kept, written)
    except InvalidArgument as error:
        faults = [] if shelf.conditions is None else await condition_faults(shelf.conditions, definition)
        raise InvalidArgument(error.message, (*faults, *error.faults)) from None
    bounds = bound_plan(plan)
    faults = [] if shelf.conditions is None else await condition_faults(shelf.conditions, definition, kept)
    faults += kept_faults(definition, kept)
    faults += width_faults(plan, definition)
    faults += bound_faults(plan, bounds, shelf.most_node_runs)
    if faults:
        raise InvalidArgument("The graph cannot be run.", tuple(faults))
    return CheckedGraph(bounds, () if agent_id is None else tuple(while_unchanged(agent_id, kept, opened)))


def while_unchanged(agent_id: AgentId, kept: KeptAgents, opened: Sequence[Snapshot]) -> Iterator[Write]:
    """What holds while other agents are as they were read, as far as references mean something else if they change.

    A circle over more of them than fit into a commit is found where it is run.
    """
    moving = {reference.id for reference in kept if not isinstance(reference.version, int)} - {agent_id}
    stored = [agent for agent in opened if agent.id in moving and agent.exists]
    for agent in stored[:MOST_IN_COMMIT]:
        yield Update(agent.path, {"id": agent.id}, seen=agent.update_time)


def not_stored(agent_id: AgentId, caller: Identity, definition: AgentDefinition) -> KeptAgent:
    """A version that will be the caller's."""
    return KeptAgent(agent_id, _NOT_NUMBERED, caller.uid, definition)


def _latest(written: KeptAgent) -> KeptAgents:
    return {AgentReference(id=written.agent_id, version=version): written for version in (None, LATEST)}


def _plan(definition: AgentDefinition, kept: KeptAgents, written: KeptAgent | None) -> Plan:
    circles = () if written is None else tuple(find_circles(written, kept))
    if circles:
        raise InvalidArgument("The agents run each other.", circles)
    return compile_plan(definition, kept)


async def condition_faults(
    conditions: Conditions, definition: AgentDefinition, kept: KeptAgents | None = None
) -> list[Fault]:
    """What is wrong with the form, the names and the types of conditions, as far as the agents in it are found."""
    found = conditions_in(definition, kept or {})
    return [fault for condition in found for fault in await _faults(conditions, condition)]


async def _faults(conditions: Conditions, condition: Condition) -> list[Fault]:
    try:
        names = conditions.names(condition.text)
    except FailedPrecondition as error:
        return [Fault(condition.path, f"is no condition of CEL: {error.message}")]
    unknown = list(unknown_names(condition, names))
    sample = None if unknown else sample_scope(condition)
    reason = None if sample is None else await conditions.misfit(condition.text, sample)
    return unknown if reason is None else [Fault(condition.path, reason)]
