"""Find the agents that a graph refers to, and those that they refer to, for somebody who may run them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from shared.domain.agents import agent_path
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import FailedPrecondition, Fault, GrantUsedUp, InvalidArgument, NotFound, PermissionDenied
from shared.domain.graph_definitions import AgentReference
from shared.domain.ids import AgentId
from shared.domain.kept_agents import KeptAgent, KeptAgents, references_in
from shared.domain.planning import MAX_NODES
from shared.ports.documents import Documents, Snapshot
from shared.usecases.agents.load_definition import definition_in, number_to_run, path_of_version
from shared.usecases.grants.open_agent import OpenedAgent

Opening = Callable[[Snapshot], Awaitable[OpenedAgent]]
"""Lets somebody run the agent in a snapshot, or raises."""


async def find_kept_agents(
    documents: Documents, definition: AgentDefinition, opening: Opening, coming: KeptAgents | None = None
) -> KeptAgents:
    """What the references in a definition, and in what they refer to, mean now.

    Args:
        documents: the store.
        definition: what is run.
        opening: asked once for each agent whether it may be run.
        coming: what references mean to versions that are not stored yet.

    Raises:
        InvalidArgument: with every reference to what cannot be run.
        GrantUsedUp, ResourceExhausted: what was granted of one of the agents is used up.
        Unavailable: the store does not answer.
    """
    kept, faults = await look_for_kept_agents(documents, definition, opening, coming)
    if faults:
        raise InvalidArgument("The graph refers to agents that cannot be run.", faults)
    return kept


async def look_for_kept_agents(
    documents: Documents, definition: AgentDefinition, opening: Opening, coming: KeptAgents | None = None
) -> tuple[KeptAgents, tuple[Fault, ...]]:
    """As `find_kept_agents`, but with every reference to what cannot be run beside those to what can."""
    meant: dict[AgentReference, KeptAgent | str] = {}
    opened: dict[AgentId, OpenedAgent | str] = {}
    faults: dict[str, Fault] = {}
    queue = list(references_in(definition))
    while queue:
        new: dict[AgentReference, str] = {}
        for path, reference in queue:
            if reference not in meant:
                new.setdefault(reference, path)
        _check_bound(meant, new)
        meant |= await _find(documents, opening, opened, new, coming or {})
        faults |= {path: Fault(f"{path}.agent.id", why) for path, one in queue if isinstance(why := meant[one], str)}
        queue = [
            (path, inner)
            for reference, path in new.items()
            if isinstance(found := meant[reference], KeptAgent)
            for _, inner in references_in(found.definition)
        ]
    kept = {reference: found for reference, found in meant.items() if isinstance(found, KeptAgent)}
    return kept, tuple(faults.values())


def _check_bound(meant: Mapping[AgentReference, object], new: Mapping[AgentReference, str]) -> None:
    """Refuse to load more than a plan can hold: every reference comes to a node of it, at least.

    Raises:
        InvalidArgument: they are more.
    """
    if len(meant) + len(new) > MAX_NODES:
        fault = Fault(list(new.values())[-1], f"comes to more than {MAX_NODES} nodes")
        raise InvalidArgument("The graph cannot be planned.", (fault,))


async def _find(
    documents: Documents,
    opening: Opening,
    opened: dict[AgentId, OpenedAgent | str],
    references: Iterable[AgentReference],
    coming: KeptAgents,
) -> dict[AgentReference, KeptAgent | str]:
    """What references mean, or why it cannot be run: all of them in the same few round trips."""
    found: dict[AgentReference, KeptAgent | str] = {one: coming[one] for one in references if one in coming}
    others = [one for one in references if one not in coming]
    await _open_all(documents, opening, opened, others)
    numbers = {reference: _number(opened[AgentId(reference.id)], reference) for reference in others}
    paths = {
        reference: path_of_version(AgentId(reference.id), number)
        for reference, number in numbers.items()
        if isinstance(number, int)
    }
    wanted = list(dict.fromkeys(path for path in paths.values() if path is not None))
    stored = {one.path: one.fields for one in (await documents.get_many(wanted) if wanted else [])}
    for reference, number in numbers.items():
        fields = stored.get(paths.get(reference) or "")
        found[reference] = number if isinstance(number, str) else _read(fields, AgentId(reference.id), number)
    return found


async def _open_all(
    documents: Documents,
    opening: Opening,
    opened: dict[AgentId, OpenedAgent | str],
    references: list[AgentReference],
) -> None:
    """Open every agent that is referred to and was not opened before."""
    new = [agent_id for agent_id in dict.fromkeys(AgentId(one.id) for one in references) if agent_id not in opened]
    snapshots = await documents.get_many([agent_path(agent_id) for agent_id in new]) if new else []
    outcomes = await asyncio.gather(*(_open(opening, one) for one in snapshots), return_exceptions=True)
    for snapshot, outcome in zip(snapshots, outcomes, strict=True):
        if isinstance(outcome, BaseException):
            raise outcome
        opened[AgentId(snapshot.id)] = outcome


async def _open(opening: Opening, snapshot: Snapshot) -> OpenedAgent | str:
    """The agent, or why it cannot be run."""
    try:
        return await opening(snapshot)
    except GrantUsedUp:
        raise
    except NotFound:
        return f"there is no agent '{snapshot.id}' that you may run"
    except PermissionDenied as error:
        return f"you cannot run '{snapshot.id}': {error.message}"


def _number(opened: OpenedAgent | str, reference: AgentReference) -> int | str:
    """The number of the version that a reference means, or why there is none."""
    if isinstance(opened, str):
        return opened
    try:
        return number_to_run(opened.agent, opened.access, reference.version)
    except (NotFound, FailedPrecondition, InvalidArgument) as error:
        return f"'{reference.id}' cannot be run: {error.message}"


def _read(fields: Mapping[str, Any] | None, agent_id: AgentId, number: int) -> KeptAgent | str:
    """The version in what is stored, or why it cannot be run."""
    try:
        loaded = definition_in(fields, agent_id, number)
    except (NotFound, FailedPrecondition, InvalidArgument) as error:
        return f"'{agent_id}' cannot be run: {error.message}"
    return KeptAgent(agent_id, number, loaded.author_uid, loaded.definition)
