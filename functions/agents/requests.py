"""What requests about agents carry."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends, Header, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from shared.domain.agents import AgentType, Proposal, Scope, Seen
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import Fault, InvalidArgument
from shared.edge.definition_body import MEDIA_TYPES, parse_body
from shared.edge.definition_places import place_faults
from shared.edge.page_query import PageQuery
from shared.edge.version_refs import VersionRefParameter
from shared.usecases.agents.save_draft import SeenDraft

DEFINITION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A definition, in YAML or JSON. `GET /agents/schema` has its schema.",
        "content": {
            media_type: {"schema": {"type": "object", "title": "AgentDefinition"}} for media_type in MEDIA_TYPES[:3]
        },
    }
}
"""For a route's `openapi_extra`: its handler reads the body itself."""

_AGENT_TAG = re.compile(r'"(\d{1,18})(?:-(\d{1,18}))?"')
_DRAFT_TAG = re.compile(r'"draft-(\d{1,18})"')


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AgentQuery(PageQuery):
    """Which agents."""

    scope: Scope | None = Field(default=None, description="`system` lists everybody's system agents.")
    type: AgentType | None = None
    name: str | None = Field(default=None, max_length=64, description="Exactly this name.")
    deleted: bool = Field(default=False, description="List those that you deleted, which can be restored.")


class AliasBody(_Body):
    """What an alias means."""

    version: VersionRefParameter


class CloneBody(_Body):
    """What is cloned, and what the clone is called."""

    version: VersionRefParameter | None = Field(default=None, description="The latest if left out.")
    name: str | None = Field(default=None, max_length=64, description="The agent's own, made unique, if left out.")


class PublishBody(_Body):
    """What becomes a version."""

    changelog: str = Field(default="", max_length=4000, description="What is new in this version.")
    definition: dict[str, Any] | None = Field(default=None, description="The draft if left out.")


IfMatch = Annotated[str | None, Header(description="Only if this is still the ETag; else 412 tells what changed.")]
IfNoneMatch = Annotated[str | None, Header(description="Answer 304 if this is still the ETag.")]
DraftFlag = Annotated[bool, Query(description="The draft of the next version, instead of the latest version.")]


@dataclass(frozen=True, slots=True)
class Written:
    """A definition as it was sent, unchecked.

    Args:
        raw: what it says.
        body: the text that says it.
    """

    raw: dict[str, Any]
    body: bytes

    def placed(self, faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
        """The faults, with the line and column where they stand."""
        return place_faults(self.body, faults)

    def propose(self, changelog: str) -> Proposal:
        """The definition, checked.

        Raises:
            InvalidArgument: with everything that is wrong with it.
        """
        try:
            return propose(self.raw, changelog)
        except InvalidArgument as error:
            raise InvalidArgument(error.message, self.placed(error.faults)) from None


async def read_written(request: Request) -> Written:
    """The definition in the body, unchecked.

    Raises:
        UnsupportedMediaType: the body is neither YAML nor JSON.
        InvalidArgument: it is not well formed, or no map.
    """
    body = await request.body()
    raw = parse_body(body, request.headers.get("content-type"))
    if not isinstance(raw, dict):
        fault = Fault("", "a definition is a map of names to values", line=1, column=1)
        raise InvalidArgument("The definition has one fault.", (fault,))
    return Written(cast("dict[str, Any]", raw), body)


WrittenBody = Annotated[Written, Depends(read_written)]
"""As a route's parameter: the unchecked definition in the body."""


def propose(raw: dict[str, Any], changelog: str) -> Proposal:
    """The definition, checked.

    Raises:
        InvalidArgument: with everything that is wrong with it.
    """
    return Proposal(definition=parse_definition(raw), raw=raw, changelog=changelog)


async def read_proposal(
    written: WrittenBody,
    changelog: Annotated[str, Query(max_length=4000, description="What is new in this version.")] = "",
) -> Proposal:
    """The definition in the body, checked.

    Raises:
        UnsupportedMediaType: the body is neither YAML nor JSON.
        InvalidArgument: with everything that is wrong with the definition.
    """
    return written.propose(changelog)


ProposalBody = Annotated[Proposal, Depends(read_proposal)]
"""As a route's parameter: the checked definition in the body."""


def seen_agent(if_match: str | None) -> Seen | None:
    """What an `If-Match` header says of an agent; None where any will do.

    Raises:
        InvalidArgument: the header is not one ETag of an agent, nor a version's number in quotes, nor `*`.
    """
    if if_match is None or if_match.strip() == "*":
        return None
    found = _AGENT_TAG.fullmatch(if_match.strip())
    if found is None:
        reason = "must be the ETag of an earlier answer, in quotes"
        raise InvalidArgument("If-Match is not valid.", (Fault("header.if-match", reason, '"3-7"'),))
    return Seen(int(found[1]), int(found[2]) if found[2] else None)


def seen_draft(if_match: str | None) -> SeenDraft:
    """What an `If-Match` header says before a draft is saved: of the draft, or of an agent without one.

    Raises:
        InvalidArgument: the header is not one ETag of ours, nor `*`.
    """
    if if_match is not None and if_match.strip() == "*":
        return "any"
    found = _DRAFT_TAG.fullmatch((if_match or "").strip())
    return int(found[1]) if found else seen_agent(if_match)
