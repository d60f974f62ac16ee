"""Compare two versions of an agent."""

from __future__ import annotations

import json
from typing import Any

from shared.domain.agents import DRAFT, Agent, VersionRef
from shared.domain.definition_diffs import Comparison, compare
from shared.domain.ids import AgentId
from shared.ports.documents import Documents
from shared.ports.identity import Identity
from shared.usecases.agents.get_agent import get_agent, get_version
from shared.usecases.agents.save_draft import get_draft


async def compare_versions(
    documents: Documents, caller: Identity, agent_id: AgentId, old: VersionRef, new: VersionRef
) -> Comparison:
    """What differs between two versions, or between a version and the draft.

    Raises:
        NotFound: there is no such agent or version for this caller.
        PermissionDenied: the caller may see the agent but not its draft.
        Unavailable: the store does not answer.
    """
    agent = await get_agent(documents, caller, agent_id)
    first = await _definition(documents, caller, agent, old)
    return compare(first, await _definition(documents, caller, agent, new))


async def _definition(documents: Documents, caller: Identity, agent: Agent, ref: VersionRef) -> Any:
    if ref == DRAFT:
        return (await get_draft(documents, caller, agent.id))[1].raw
    return json.loads((await get_version(documents, agent, ref)).definition_json)
