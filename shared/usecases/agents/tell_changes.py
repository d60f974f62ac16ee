"""Tell what changed since somebody looked: between two versions, or between a draft and what they sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from shared.domain.agent_drafts import Draft
from shared.domain.agents import Agent, AgentVersion, version_path
from shared.domain.definition_diffs import Comparison, compare
from shared.domain.errors import VersionMismatch
from shared.domain.records import parse, render
from shared.ports.documents import Documents


async def mismatch(documents: Documents, agent: Agent, since: int) -> VersionMismatch:
    """The refusal to change an agent whose latest version was `since` when the caller looked.

    Raises:
        Unavailable: the store does not answer.
    """
    found = await documents.get_many([version_path(agent.id, number) for number in (since, agent.head)])
    old, new = (None if one.fields is None else parse(AgentVersion, one.fields) for one in found)
    changed: dict[str, Any] = {"etag": agent.etag, "since": since, "head": agent.head}
    if new is not None:
        note = {"version_tag": new.version_tag, "changelog": new.changelog, "created_by": new.created_by}
        changed["latest"] = {**note, "created_at": new.created_at.isoformat()}
    if old is not None and new is not None:
        changed.update(_told(compare(json.loads(old.definition_json), json.loads(new.definition_json))))
    if since == agent.head:
        message = "The agent has changed since you read it: its aliases, or whether it is there; read it and try again."
    else:
        message = f"The latest version is {agent.head}, not {since}; see what changed, and try again."
    return VersionMismatch(message, changed=changed)


def draft_mismatch(draft: Draft, sent: Mapping[str, Any]) -> VersionMismatch:
    """The refusal to replace a draft that somebody saved meanwhile: how it differs from what was `sent`."""
    changed = {
        "etag": draft.etag,
        "updated_by": draft.updated_by,
        "updated_at": draft.updated_at.isoformat(),
        **_told(compare(sent, draft.raw)),
    }
    return VersionMismatch(
        f"The draft was saved by {draft.updated_by} since; see how it differs from yours, and try again.",
        changed=changed,
    )


def _told(comparison: Comparison) -> dict[str, Any]:
    changes = [render(change) for change in comparison.changes]
    return {"changes": changes, "is_cut": comparison.is_cut}
