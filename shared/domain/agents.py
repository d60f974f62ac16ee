"""An agent: an owned identity that points at its immutable versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal, TypeAlias

from shared.domain.definitions import AgentDefinition
from shared.domain.errors import NotFound, TooLarge
from shared.domain.ids import AgentId, Uid, hashed_id
from shared.domain.records import render, to_json
from shared.domain.run_bounds import PlanBounds
from shared.domain.suggestions import closest
from shared.domain.writes import Create, Delete, Write

Scope: TypeAlias = Literal["user", "system", "marketplace"]
AgentType: TypeAlias = Literal["static", "dynamic", "template"]
VersionRef: TypeAlias = int | str
"""A version: its number, an alias such as `prod`, `latest`, or `draft`."""

LATEST = "latest"
DRAFT = "draft"
DRAFT_NUMBER = 0
"""Stands for the draft where a version's number stands: of a run or a session that tries it."""

AD_HOC = AgentId("ad_hoc")
"""Stands for the agent where there is none: of a run whose definition came with its request, and of its session."""

MAX_DEFINITION_BYTES = 900_000
"""As JSON; a Firestore document holds 1 MiB. Source: https://firebase.google.com/docs/firestore/quotas"""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where an agent came from.

    Args:
        kind: how it was made of something else.
        agent_id: the agent that it was cloned from.
        version: the number of that agent's version.
        template: the name of the template that it was made of.
        digest: of the definition that it began as.
    """

    kind: Literal["clone", "import", "template"]
    agent_id: AgentId | None = None
    version: int | None = None
    template: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """The document `agents/{id}`; what is not about the agent itself shows its latest version.

    Args:
        name: unique among the owner's active agents.
        type: `dynamic` for an agent that people made, `static` for one that came with the deployment, `template` for
            one that agents are made of.
        head: number of the latest version.
        version_tag: the author's own tag of the latest version.
        aliases: names of version numbers; `latest` is not among them.
        is_active: False once it was deleted; runs of its versions go on.
        revision: how often the agent changed, counted from 1; with `head` it is the ETag.
        metadata_json: the latest version's metadata.
        provenance: where it came from, if it was not written anew.
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
    revision: int = 1
    metadata_json: str = "{}"
    provenance: Provenance | None = None
    deleted_at: datetime | None = None

    @property
    def etag(self) -> str:
        """Changes with whatever about the agent changes, and tells which version was the latest."""
        return f"{self.head}-{self.revision}"

    def number_of(self, ref: VersionRef | None) -> int:
        """The number of the version that `ref` means now; the latest for None. It need not exist.

        Raises:
            NotFound: the agent has no such alias.
        """
        if isinstance(ref, int):
            return ref
        if ref in {None, LATEST}:
            return self.head
        if ref == DRAFT:
            return DRAFT_NUMBER
        number = self.aliases.get(ref or "")
        if number is None:
            meant = closest(ref or "", (*self.aliases, LATEST, DRAFT))
            raise NotFound(f"The agent has no version '{ref}'." + (f" Did you mean '{meant}'?" if meant else ""))
        return number


@dataclass(frozen=True, slots=True)
class Seen:
    """What somebody last saw of an agent: its latest version, and, if they say so, its revision."""

    head: int
    revision: int | None = None

    def fits(self, agent: Agent) -> bool:
        """Whether the agent is still as it was seen."""
        return self.head == agent.head and self.revision in {None, agent.revision}


@dataclass(frozen=True, slots=True)
class AgentVersion:
    """The immutable document `agents/{id}/versions/{number}`.

    Args:
        definition_json: the definition as its author wrote it and in that order, as JSON.
        digest: SHA-256 of `definition_json`, in hex.
        bounds: the most that a run of it could come to when it was made.
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
    bounds: PlanBounds | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
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


def first_agent(agent_id: AgentId, owner_uid: Uid, proposal: Proposal, now: datetime) -> Agent:
    """A new agent whose first version is `proposal`."""
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
        proposal,
    )


def revised(agent: Agent, now: datetime, **fields: Any) -> Agent:
    """The agent with other fields, under its next revision."""
    return replace(agent, revision=agent.revision + 1, updated_at=now, **fields)


def next_agent(agent: Agent, proposal: Proposal, now: datetime) -> Agent:
    """The agent after `proposal` has become its latest version."""
    return _showing(revised(agent, now, head=agent.head + 1), proposal)


def version_of(agent: Agent, proposal: Proposal, author: Uid, bounds: PlanBounds | None = None) -> AgentVersion:
    """The latest version of `agent`, which is `proposal`.

    Raises:
        TooLarge: the definition does not fit into a document.
    """
    text = definition_text(proposal.raw)
    return AgentVersion(
        agent_id=agent.id,
        owner_uid=agent.owner_uid,
        number=agent.head,
        version_tag=proposal.definition.version,
        definition_json=text,
        digest=definition_digest(text),
        created_by=author,
        created_at=agent.updated_at,
        changelog=proposal.changelog,
        bounds=bounds,
    )


def definition_text(raw: Mapping[str, Any]) -> str:
    """A definition as it is stored: JSON in its author's order.

    Raises:
        TooLarge: it does not fit into a document.
    """
    text = json.dumps(raw, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > MAX_DEFINITION_BYTES:
        raise TooLarge(f"The definition has {size} bytes; {MAX_DEFINITION_BYTES} are allowed.")
    return text


def definition_digest(text: str) -> str:
    """The SHA-256 of a stored definition, in hex."""
    return hashlib.sha256(text.encode()).hexdigest()


def claim_name(agent: Agent) -> Create:
    """The write that takes the agent's name; it is refused while another agent of the owner has it."""
    fields = {"owner_uid": agent.owner_uid, "name": agent.name, "agent_id": agent.id}
    return Create(name_path(agent.owner_uid, agent.name), fields)


def release_name(agent: Agent) -> Delete:
    """The write that frees the agent's name."""
    return Delete(name_path(agent.owner_uid, agent.name))


def rename(old: Agent, new: Agent) -> tuple[Write, ...]:
    """The writes that give up the old name and take the new one; none where they are the same."""
    if old.name == new.name:
        return ()
    return release_name(old), claim_name(new)


def create_version(version: AgentVersion) -> Create:
    """The write that adds a version; it is refused if the number is taken."""
    return Create(version_path(version.agent_id, version.number), render(version))


def _showing(agent: Agent, proposal: Proposal) -> Agent:
    definition = proposal.definition
    return replace(
        agent,
        name=definition.name,
        display_name=definition.display_name,
        description=definition.description,
        scope=definition.scope,
        version_tag=definition.version,
        tags=tuple(definition.metadata.get("tags", ())),
        category=definition.metadata.get("category"),
        type="dynamic" if definition.parameters is None else "template",
        is_template=definition.parameters is not None,
        metadata_json=to_json(definition.metadata),
    )
