"""An agent: an owned identity that points at its immutable versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from shared.domain.definitions import AgentDefinition
from shared.domain.errors import TooLarge
from shared.domain.ids import AgentId, Uid, hashed_id
from shared.domain.records import render
from shared.domain.writes import Create, Delete, Write

Scope: TypeAlias = Literal["user", "system", "marketplace"]
AgentType: TypeAlias = Literal["static", "dynamic", "template"]

MAX_DEFINITION_BYTES = 900_000
"""As JSON; a Firestore document holds 1 MiB. Source: https://firebase.google.com/docs/firestore/quotas"""


@dataclass(frozen=True, slots=True)
class Agent:
    """The document `agents/{id}`; what is not about the agent itself shows its latest version.

    Args:
        name: unique among the owner's active agents.
        type: `dynamic` for an agent that people made, `static` for one that came with the deployment.
        head: number of the latest version.
        version_tag: the author's own tag of the latest version.
        aliases: names of version numbers.
        is_active: False once it was deleted; runs of its versions go on.
    """

    id: AgentId
    owner_uid: Uid
    name: str
    description: str
    scope: Scope
    head: int
    version_tag: str
    created_at: datetime
    updated_at: datetime
    display_name: str | None = None
    type: AgentType = "dynamic"
    aliases: Mapping[str, int] = field(default_factory=dict[str, int])
    is_active: bool = True
    is_template: bool = False
    tags: tuple[str, ...] = ()
    category: str | None = None

    def visible_to(self, uid: Uid) -> bool:
        """Whether this person may see and run the agent: their own, or the system's."""
        return self.is_active and (self.owner_uid == uid or self.scope == "system")


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """The immutable document `agents/{id}/versions/{number}`.

    Args:
        definition_json: the definition as its author wrote it and in that order, as JSON.
        digest: SHA-256 of `definition_json`, in hex.
    """

    agent_id: AgentId
    owner_uid: Uid
    number: int
    version_tag: str
    definition_json: str
    digest: str
    created_by: Uid
    created_at: datetime
    changelog: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A checked definition that is to become a version.

    Args:
        definition: as read, with defaults filled in.
        raw: as its author wrote it, which is what is kept.
        changelog: what is new in it.
    """

    definition: AgentDefinition
    raw: Mapping[str, Any]
    changelog: str = ""


def agent_path(agent_id: AgentId) -> str:
    """Where an agent is stored."""
    return f"agents/{agent_id}"


def versions_path(agent_id: AgentId) -> str:
    """Where an agent's versions are stored."""
    return f"agents/{agent_id}/versions"


def version_path(agent_id: AgentId, number: int) -> str:
    """Where one version is stored."""
    return f"{versions_path(agent_id)}/{number}"


def name_path(owner_uid: Uid, name: str) -> str:
    """Where the mark is stored that makes an agent's name unique among its owner's."""
    return f"agent_names/{hashed_id(owner_uid, name)}"


def first_agent(agent_id: AgentId, owner_uid: Uid, draft: Draft, now: datetime) -> Agent:
    """A new agent whose first version is `draft`."""
    return _showing(
        Agent(
            id=agent_id,
            owner_uid=owner_uid,
            name="",
            description="",
            scope="user",
            head=1,
            version_tag="",
            created_at=now,
            updated_at=now,
        ),
        draft,
    )


def next_agent(agent: Agent, draft: Draft, now: datetime) -> Agent:
    """The agent after `draft` has become its latest version."""
    return _showing(replace(agent, head=agent.head + 1, updated_at=now), draft)


def version_of(agent: Agent, draft: Draft, author: Uid) -> AgentVersion:
    """The latest version of `agent`, which is `draft`.

    Raises:
        TooLarge: the definition does not fit into a document.
    """
    text = json.dumps(draft.raw, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > MAX_DEFINITION_BYTES:
        raise TooLarge(f"The definition has {size} bytes; {MAX_DEFINITION_BYTES} are allowed.")
    return AgentVersion(
        agent_id=agent.id,
        owner_uid=agent.owner_uid,
        number=agent.head,
        version_tag=draft.definition.version,
        definition_json=text,
        digest=hashlib.sha256(text.encode()).hexdigest(),
        created_by=author,
        created_at=agent.updated_at,
        changelog=draft.changelog,
    )


def claim_name(agent: Agent) -> Create:
    """The write that takes the agent's name; it is refused while another agent of the owner has it."""
    fields = {"owner_uid": agent.owner_uid, "name": agent.name, "agent_id": agent.id}
    return Create(name_path(agent.owner_uid, agent.name), fields)


def rename(old: Agent, new: Agent) -> tuple[Write, ...]:
    """The writes that give up the old name and take the new one; none where they are the same."""
    if old.name == new.name:
        return ()
    return Delete(name_path(old.owner_uid, old.name)), claim_name(new)


def create_version(version: AgentVersion) -> Create:
    """The write that adds a version; it is refused if the number is taken."""
    return Create(version_path(version.agent_id, version.number), render(version))


def _showing(agent: Agent, draft: Draft) -> Agent:
    definition = draft.definition
    return replace(
        agent,
        name=definition.name,
        display_name=definition.display_name,
        description=definition.description,
        scope=definition.scope,
        version_tag=definition.version,
        tags=tuple(definition.metadata.get("tags", ())),
        category=definition.metadata.get("category"),
    )
