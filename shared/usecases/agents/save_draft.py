"""Keep, read and discard the draft of an agent's next version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from shared.domain.agent_drafts import Draft, draft_path, next_draft
from shared.domain.agents import Agent, Seen, agent_path
from shared.domain.errors import Aborted, NotFound, PreconditionRequired, Unavailable, VersionMismatch
from shared.domain.grants import Permission
from shared.domain.ids import AgentId
from shared.domain.records import parse, render
from shared.domain.writes import Create, Delete, Update
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot
from shared.ports.identity import Identity
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.tell_changes import draft_mismatch, mismatch
from shared.usecases.grants.open_agent import admit

_ATTEMPTS = 5

SeenDraft: TypeAlias = Seen | int | Literal["any"] | None
"""What somebody saw before they save a draft: the agent without one, the draft's revision, or whatever is there."""


async def get_draft(documents: Documents, caller: Identity, agent_id: AgentId) -> tuple[Agent, Draft]:
    """The draft of the caller's agent.

    Raises:
        NotFound: there is no such agent for this caller, or it has no draft.
        PermissionDenied: the caller may see the agent but not change it.
        Unavailable: the store does not answer.
    """
    agent, snapshot = await _find(documents, caller, agent_id)
    if snapshot.fields is None:
        raise NotFound("The agent has no draft; save one to begin.")
    return agent, parse(Draft, snapshot.fields)


async def save_draft(
    shelf: Shelf, caller: Identity, agent_id: AgentId, raw: Mapping[str, Any], seen: SeenDraft = None
) -> tuple[Agent, Draft]:
    """Make `raw` the draft of the caller's agent, whatever is still wrong with it.

    Raises:
        NotFound: there is no such agent for this caller.
        PermissionDenied: the caller may see the agent but not change it.
        PreconditionRequired: there is a draft, and the caller does not say that they saw it.
        VersionMismatch: draft or agent are no longer as they were `seen`; tells what changed.
        TooLarge: the definition does not fit into a document.
        Aborted: others keep saving the draft.
        Unavailable: the store does not answer; the draft may have been saved.
    """
    for _ in range(_ATTEMPTS):
        agent, snapshot = await _find(shelf.documents, caller, agent_id)
        before = None if snapshot.fields is None else parse(Draft, snapshot.fields)
        await _check_seen(shelf.documents, agent, before, raw, seen)
        draft = next_draft(agent, before, raw, caller.uid, shelf.clock.now())
        path, fields = draft_path(agent_id), render(draft)
        try:
            write = Create(path, fields) if before is None else Update(path, fields, seen=snapshot.update_time)
            await shelf.documents.commit((write,))
        except CommitRefused:
            continue
        except OutcomeUnknown:
            stored = (await shelf.documents.get(path)).fields
            if stored is None or parse(Draft, stored) != draft:
                raise Unavailable("It is not known whether the draft was saved; read it, and try again.") from None
        return agent, draft
    raise Aborted("Others keep saving this draft; try again.")


async def discard_draft(documents: Documents, caller: Identity, agent_id: AgentId, seen: SeenDraft = None) -> None:
    """Forget the draft of the caller's agent.

    Raises:
        NotFound: there is no such agent for this caller, or it has no draft.
        PermissionDenied: the caller may see the agent but not change it.
        VersionMismatch: the draft is no longer as it was `seen`.
        Aborted: somebody saved it meanwhile.
        Unavailable: the store does not answer; the draft may be gone.
    """
    _, snapshot = await _find(documents, caller, agent_id)
    if snapshot.fields is None:
        raise NotFound("The agent has no draft.")
    draft = parse(Draft, snapshot.fields)
    if seen not in {None, "any", draft.revision}:
        raise draft_mismatch(draft, draft.raw)
    try:
        await documents.commit((Delete(draft_path(agent_id), seen=snapshot.update_time),))
    except CommitRefused:
        raise Aborted("The draft was saved meanwhile; read it, and try again.") from None
    except OutcomeUnknown:
        raise Unavailable("It is not known whether the draft was discarded; try again.") from None


async def _find(documents: Documents, caller: Identity, agent_id: AgentId) -> tuple[Agent, Snapshot]:
    agent, draft = await documents.get_many([agent_path(agent_id), draft_path(agent_id)])
    return (await admit(documents, caller, agent, Permission.EDIT)).agent, draft


async def _check_seen(
    documents: Documents, agent: Agent, draft: Draft | None, raw: Mapping[str, Any], seen: SeenDraft
) -> None:
    if seen == "any":
        return
    if isinstance(seen, Seen) and not seen.fits(agent):
        raise await mismatch(documents, agent, seen.head)
    if draft is None:
        if isinstance(seen, int):
            raise VersionMismatch("The draft is no longer there: it was published or discarded.")
        return
    if seen is None:
        raise PreconditionRequired("There is a draft already; read it, and send its ETag as If-Match to replace it.")
    if seen != draft.revision:
        raise draft_mismatch(draft, raw)
