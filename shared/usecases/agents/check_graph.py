"""Check a graph as far as it can be before it runs: its conditions, the agents that it refers to, and its bounds."""

from __future__ import annotations

from collections.abc import Iterator

from shared.domain.condition_samples import sample_scope, unknown_names
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import FailedPrecondition, Fault, InvalidArgument
from shared.domain.grants import Permission
from shared.domain.graph_analysis import conditions_in
from shared.domain.graph_types import Condition
from shared.domain.plan_bounds import PlanBounds, bound_faults, bound_plan
from shared.domain.planning import compile_plan
from shared.ports.conditions import Conditions
from shared.ports.documents import Documents, Snapshot
from shared.ports.identity import Identity
from shared.usecases.agents.find_kept_agents import find_kept_agents
from shared.usecases.grants.open_agent import OpenedAgent, admit


async def check_graph(
    documents: Documents, caller: Identity, definition: AgentDefinition, conditions: Conditions | None = None
) -> PlanBounds:
    """The most that a run of a definition can come to, if it can be planned of agents that its author may run.

    Args:
        documents: the store.
        caller: the author.
        definition: without faults that it shows by itself.
        conditions: what evaluates its conditions; without it they are not tried.

    Raises:
        InvalidArgument: with everything that is wrong.
        Unavailable: the store does not answer.
    """
    faults = [] if conditions is None else list(condition_faults(conditions, definition))

    async def opening(snapshot: Snapshot) -> OpenedAgent:
        return await admit(documents, caller, snapshot, Permission.RUN)

    try:
        bounds = bound_plan(compile_plan(definition, await find_kept_agents(documents, definition, opening)))
    except InvalidArgument as error:
        raise InvalidArgument(error.message, (*faults, *error.faults)) from None
    faults += bound_faults(bounds)
    if faults:
        raise InvalidArgument("The graph cannot be run.", tuple(faults))
    return bounds


def condition_faults(conditions: Conditions, definition: AgentDefinition) -> Iterator[Fault]:
    """What is wrong with the form, the names and the types of conditions."""
    for condition in conditions_in(definition):
        yield from _faults(conditions, condition)


def _faults(conditions: Conditions, condition: Condition) -> Iterator[Fault]:
    try:
        names = conditions.names(condition.text)
    except FailedPrecondition as error:
        yield Fault(condition.path, f"is no condition of CEL: {error.message}")
        return
    unknown = list(unknown_names(condition, names))
    yield from unknown
    sample = None if unknown else sample_scope(condition)
    if sample is not None and (reason := conditions.misfit(condition.text, sample)) is not None:
        yield Fault(condition.path, reason)
