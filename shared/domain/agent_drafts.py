"""The draft of an agent's next version: what its author is still changing, not yet a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.agents import Agent, definition_text
from shared.domain.ids import AgentId, Uid
from shared.domain.records import from_json


@dataclass(frozen=True, slots=True)
class Draft:
    """The document `agents/{id}/drafts/current`; editors of the agent read it, and no one else.

    Args:
        definition_json: as its author wrote it, whatever is still wrong with it.
        base: number of the version that was the latest when the draft was begun.
        revision: how often it was saved, from 1; it is the ETag.
    """

    agent_id: AgentId
    owner_uid: Uid
    definition_json: str
    base: int
    revision: int
    updated_by: Uid
    created_at: datetime
    updated_at: datetime

    @property
    def etag(self) -> str:
        """Changes whenever the draft is saved."""
        return f"draft-{self.revision}"

    @property
    def raw(self) -> Mapping[str, Any]:
        """The definition."""
        raw: Mapping[str, Any] = from_json(self.definition_json)
        return raw


def draft_path(agent_id: AgentId) -> str:
    """Where an agent's draft is stored."""
    return f"agents/{agent_id}/drafts/current"


def next_draft(agent: Agent, before: Draft | None, raw: Mapping[str, Any], author: Uid, now: datetime) -> Draft:
    """The draft after `author` saved `raw`.

    Raises:
        TooLarge: the definition does not fit into a document.
    """
    return Draft(
        agent_id=agent.id,
        owner_uid=agent.owner_uid,
        definition_json=definition_text(raw),
        base=agent.head if before is None else before.base,
        revision=1 if before is None else before.revision + 1,
        updated_by=author,
        created_at=now if before is None else before.created_at,
        updated_at=now,
    )
