"""Compile what a run executes: the plan of an agent's version, with the kept agents that its graph refers to."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.access import grants_to_run
from shared.domain.agents import DRAFT_NUMBER, version_path
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import InvalidArgument, PermissionDenied
from shared.domain.graph_analysis import kept_faults
from shared.domain.ids import AgentId, Uid
from shared.domain.plan_bounds import bound_faults, bound_plan
from shared.domain.plan_graphs import PlanGraph
from shared.domain.plan_widths import width_faults
from shared.domain.planning import compile_plan
from shared.domain.writes import Write
from shared.ports.documents import Snapshot
from shared.usecases.agents.find_kept_agents import find_kept_agents
from shared.usecases.agents.load_definition import load_definition
from shared.usecases.grants.open_agent import OpenedAgent
from shared.usecases.nodes.engine import CompiledVersion, Core
from shared.usecases.runs.admit_run import Admission, admit_run

KEPT_PLANS = 64


@dataclass(frozen=True, slots=True)
class CompiledRun:
    """What a run executes.

    Args:
        writes: what the run's own commit must contain, so that no grant of a kept agent is overdrawn.
    """

    version: CompiledVersion
    writes: tuple[Write, ...] = ()


async def compile_run(core: Core, caller: Uid, agent_id: AgentId, number: int) -> CompiledRun:
    """The plan of an agent's version; versions never change, so a process compiles each that stands alone once.

    What a graph refers to is pinned here: the run goes on with what its references mean now.

    Raises:
        NotFound: there is no such version.
        InvalidArgument: it refers to agents that the caller may not run, or that make no plan with it; or a run of it
            may come to more than the deployment lets one, or sets off too many nodes at once.
        GrantUsedUp: the runs that were granted of such an agent were all started.
    """
    path = version_path(agent_id, number)
    compiled = core.plans.get(path)
    if compiled is not None:
        return CompiledRun(compiled)
    loaded = await load_definition(core.documents, agent_id, number)
    found = await compile_definition(core, caller, loaded.definition, loaded.author_uid)
    if number != DRAFT_NUMBER and not found.version.graph.plan.origins:
        while len(core.plans) >= KEPT_PLANS:
            del core.plans[next(iter(core.plans))]
        core.plans[path] = found.version
    return found


async def compile_definition(
    core: Core, caller: Uid, definition: AgentDefinition, author_uid: Uid, *, is_new: bool = False
) -> CompiledRun:
    """The plan of a definition, with the kept agents that it refers to.

    Also of a version its widths and bounds are asked again: what its references mean may have grown since it was made,
    and another deployment may run less. Whether values fit what its references take is asked of one that `is_new`, and
    was never a version; of a version that was asked when it was made, and in a run it shows.

    Raises:
        InvalidArgument, GrantUsedUp: as `compile_run`.
    """
    documents = core.documents
    writes: list[Write] = []

    async def opening(snapshot: Snapshot) -> OpenedAgent:
        admission = await admit_run(documents, caller, snapshot)
        writes.extend(admission.writes)
        return _whole(admission)

    kept = await find_kept_agents(documents, definition, opening)
    plan = compile_plan(definition, kept)
    bounds = bound_plan(plan)
    unfit = kept_faults(definition, kept) if is_new else ()
    grown = (*width_faults(plan, definition), *bound_faults(plan, bounds, core.most_node_runs))
    if faults := (*unfit, *grown):
        raise InvalidArgument("The graph cannot be run.", faults)
    return CompiledRun(CompiledVersion(PlanGraph(plan), author_uid, plan.input_schema, bounds), tuple(writes))


def _whole(admission: Admission) -> OpenedAgent:
    """The agent, unless what it costs as a part of another could not be held against the grant.

    Raises:
        PermissionDenied: it is granted up to a cost for each day.
    """
    assert admission.opened is not None  # noqa: S101 - it was admitted by its agent
    for grant in grants_to_run(admission.opened.access):
        if grant.grantee_uid == admission.grantee_uid and grant.constraints.max_cost_usd_micros_per_day is not None:
            raise PermissionDenied("It is granted up to a cost for each day, and so runs only by itself.")
    return admission.opened
