"""Make an agent of one's own from what somebody else wrote: a version, or a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.domain.agent_bundles import without_owner
from shared.domain.agents import (
    Agent,
    AgentVersion,
    Proposal,
    Provenance,
    VersionRef,
    definition_digest,
    definition_text,
    name_path,
)
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import AlreadyExists, NotFound
from shared.domain.ids import AgentId
from shared.domain.name_conflicts import OnConflict, names_like
from shared.ports.identity import Identity
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.get_agent import get_agent, get_version
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent


async def clone_agent(
    shelf: Shelf, caller: Identity, agent_id: AgentId, ref: VersionRef | None = None, name: str | None = None
) -> tuple[Agent, AgentVersion]:
    """Make a private agent of the caller's from a version of an agent that they may see; it remembers which.

    Args:
        shelf: the ports.
        caller: will own the clone.
        agent_id: what is cloned.
        ref: its version; the latest if left out.
        name: of the clone; the agent's own, with an ending where the caller has one of that name, if left out.

    Raises:
        NotFound: there is no such agent or version for this caller.
        InvalidArgument: the name is none.
        AlreadyExists: the caller has an agent of the name that they chose.
        Unavailable: the store does not answer; the clone may have been stored.
    """
    agent = await get_agent(shelf.documents, caller, agent_id)
    version = await get_version(shelf.documents, agent, ref or agent.head)
    raw = without_owner(json.loads(version.definition_json))
    provenance = Provenance("clone", agent_id=agent.id, version=version.number, digest=version.digest)
    if name is not None:
        return await create_agent(shelf, caller, named(raw, name), provenance)
    return await create_renamed(shelf, caller, raw, provenance, ending="copy")


async def import_agent(
    shelf: Shelf, caller: Identity, proposal: Proposal, on_conflict: OnConflict = "refuse"
) -> tuple[Agent, AgentVersion]:
    """Make an agent of an exported file; a file whose content is the latest version already changes nothing.

    Raises:
        PermissionDenied: the definition asks for the scope `system`, and the caller is no administrator.
        AlreadyExists: the caller has an agent of this name, and `on_conflict` is `refuse`.
        TooLarge: the definition does not fit into a document.
        Aborted: others kept updating the agent.
        Unavailable: the store does not answer; the agent may have been stored.
    """
    digest = definition_digest(definition_text(proposal.raw))
    provenance = Provenance("import", digest=digest)
    if on_conflict == "rename":
        return await create_renamed(shelf, caller, proposal.raw, provenance, ending="imported")
    if on_conflict == "version":
        existing = await find_named(shelf, caller, proposal.definition.name)
        if existing is not None:
            latest = await get_version(shelf.documents, existing, existing.head)
            same = latest.digest == digest
            return (existing, latest) if same else await update_agent(shelf, caller, existing.id, proposal)
    return await create_agent(shelf, caller, proposal, provenance)


async def create_renamed(
    shelf: Shelf, caller: Identity, raw: Mapping[str, Any], provenance: Provenance, ending: str
) -> tuple[Agent, AgentVersion]:
    """Create the agent under its own name, or under the first name with an ending that the caller has not used.

    Raises:
        AlreadyExists: all of twenty names are taken.
    """
    for name in names_like(str(raw["name"]), ending):
        try:
            return await create_agent(shelf, caller, named(raw, name), provenance)
        except AlreadyExists:
            continue
    raise AlreadyExists(f"You have agents of many names like '{raw['name']}'; choose a name for this one.")


async def find_named(shelf: Shelf, caller: Identity, name: str) -> Agent | None:
    """The caller's own agent of that name, if there is one.

    Raises:
        Unavailable: the store does not answer.
    """
    mark = await shelf.documents.get(name_path(caller.uid, name))
    if mark.fields is None:
        return None
    try:
        return await get_agent(shelf.documents, caller, AgentId(mark.fields["agent_id"]))
    except NotFound:
        return None  # deleted between the two reads


def named(raw: Mapping[str, Any], name: str) -> Proposal:
    """The definition under another name, checked.

    Raises:
        InvalidArgument: with everything that is wrong with it.
    """
    renamed = {**raw, "name": name}
    return Proposal(parse_definition(renamed), renamed)
