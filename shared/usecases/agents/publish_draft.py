"""Make the draft of an agent a version."""

from __future__ import annotations

from datetime import datetime

from shared.domain.agent_drafts import Draft, draft_path
from shared.domain.agents import Agent, AgentVersion, Proposal, Seen
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import NotFound
from shared.domain.ids import AgentId
from shared.domain.records import parse
from shared.domain.writes import Delete
from shared.ports.identity import Identity
from shared.usecases.agents.change_agent import Change, change_agent
from shared.usecases.agents.check_graph import check_graph
from shared.usecases.agents.create_agent import check_scope
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.tell_changes import mismatch
from shared.usecases.agents.update_agent import with_version


async def publish_draft(
    shelf: Shelf, caller: Identity, agent_id: AgentId, changelog: str, seen: Seen | None = None
) -> tuple[Agent, AgentVersion]:
    """Make the draft of the caller's agent its latest version; then there is no draft.

    Raises:
        NotFound: there is no such agent for this caller, or it has no draft.
        PermissionDenied: the caller may see the agent but not change it, or not make one of this scope.
        InvalidArgument: with everything that is still wrong with the draft.
        VersionMismatch: the agent is no longer as it was `seen`, or, where nothing was seen, another version was
            published since the draft was begun; tells what changed.
        AlreadyExists: the draft's name is that of another of the caller's agents.
        Aborted: others kept changing the agent.
        Unavailable: the store does not answer; the version may have been stored.
    """

    async def decide(agent: Agent, now: datetime) -> Change:
        snapshot = await shelf.documents.get(draft_path(agent_id))
        if snapshot.fields is None:
            raise NotFound("The agent has no draft to publish.")
        draft = parse(Draft, snapshot.fields)
        if seen is None and draft.base != agent.head:
            raise await mismatch(shelf.documents, agent, draft.base)
        proposal = Proposal(parse_definition(draft.raw), draft.raw, changelog)
        check_scope(caller, proposal)
        shelf.models.check(proposal.definition)
        checked = await check_graph(shelf, caller, proposal.definition, agent_id)
        discard = Delete(draft_path(agent_id), seen=snapshot.update_time)
        return with_version(agent, proposal, caller, now, checked, discard)

    change = await change_agent(shelf, caller, agent_id, decide, seen)
    assert change.version is not None  # noqa: S101 - `decide` makes one
    return change.agent, change.version
