"""Open a session with an agent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.domain.agents import VersionRef
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.grants import Permission
from shared.domain.ids import AgentId, SessionId
from shared.domain.records import render, to_json
from shared.domain.sessions import MAX_STATE_CHARACTERS, Session, Slot, session_path, slot_path
from shared.domain.writes import Create
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.ports.id_source import Ids
from shared.ports.identity import Identity
from shared.usecases.agents.load_definition import load_definition, number_to_run
from shared.usecases.create_record import create_record
from shared.usecases.grants.open_agent import open_agent


@dataclass(frozen=True, slots=True)
class NewSession:
    """What a session starts with.

    Args:
        agent_id: the agent that its runs execute.
        version: the version that they are pinned to, by its number or by a name that means it now; the latest if left
            out. A session with the `draft` runs it as it is at each turn.
        external_session_id: the caller's own name for it.
        title: what people see.
        state: the conversation's state.
        configuration: the caller's settings, kept as they are.
    """

    agent_id: AgentId
    version: VersionRef | None = None
    external_session_id: str | None = None
    title: str | None = None
    state: Mapping[str, Any] = field(default_factory=dict[str, Any])
    configuration: Mapping[str, Any] = field(default_factory=dict[str, Any])


async def open_session(documents: Documents, clock: Clock, ids: Ids, caller: Identity, new: NewSession) -> Session:
    """Store a session of the caller's, pinned to one version of an agent that they may run.

    Raises:
        NotFound: there is no such agent or version for this caller.
        PermissionDenied: the caller may see the agent, but not run it.
        InvalidArgument: state or configuration is too large, or the draft cannot be run yet.
        Unavailable: the store does not answer.
    """
    _check_size(new)
    opened = await open_agent(documents, caller, new.agent_id, Permission.RUN)
    agent = opened.agent
    version = number_to_run(agent, opened.access, new.version)
    if version != agent.head:
        await load_definition(documents, agent.id, version)
    now = clock.now()
    session = Session(
        id=SessionId(ids.new()),
        owner_uid=caller.uid,
        agent_id=agent.id,
        version=version,
        created_at=now,
        updated_at=now,
        agent_owner_uid=agent.owner_uid,
        external_session_id=new.external_session_id,
        title=new.title,
        state_json=to_json(new.state),
        first_state_json=to_json(new.state) if new.state else None,
        configuration_json=to_json(new.configuration),
    )
    creates = Create(session_path(session.id), render(session)), Create(slot_path(session.id), render(Slot()))
    await create_record(documents, creates, "session")
    return session


def _check_size(new: NewSession) -> None:
    sizes = {"state": len(to_json(new.state)), "configuration": len(to_json(new.configuration))}
    faults = tuple(
        Fault(name, f"must have {MAX_STATE_CHARACTERS:,} characters of JSON at most")
        for name, size in sizes.items()
        if size > MAX_STATE_CHARACTERS
    )
    if faults:
        raise InvalidArgument("The session is too large.", faults)
