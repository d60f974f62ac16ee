"""What a tool is: a name, what it is for, the schema of its arguments, and what happens if it is called twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from shared.domain.large_values import ValueFile


class Effect(StrEnum):
    """What a call does to the world outside its answer."""

    NONE = "none"
    IDEMPOTENT = "idempotent"
    ONCE = "once"


class Risk(StrEnum):
    """The most that a tool does, for those who decide what an agent may have."""

    READS = "reads"
    WRITES = "writes"
    REACHES_OUT = "reaches_out"
    COSTS = "costs"


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A tool as a model and a definition see it.

    Args:
        name: the name in definitions and in model requests.
        description: what it does, for the model.
        effect: whether a call that may have happened can be repeated.
        arguments_schema: JSON Schema of the arguments, an object.
        config_schema: JSON Schema of the configuration in a definition, an object.
        risk: the most that it does: reads or writes what is the session's, reaches other people's servers, or costs
            money for each call.
    """

    name: str
    description: str
    effect: Effect
    arguments_schema: Mapping[str, Any]
    config_schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "additionalProperties": False})
    risk: Risk = Risk.READS


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that a model (or a plan) asks for.

    Args:
        step: number of the model response that asked, from 0.
        call_id: the provider's id of the call, unique within a node's execution.
        name: the tool.
        arguments: as decoded from JSON.
    """

    step: int
    call_id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of the session that a result shows to the model: a reference, so that no journal or event holds bytes.

    Args:
        name: the artifact's name.
        version: its version, which never changes.
        mime_type: its media type.
    """

    name: str
    version: int
    mime_type: str


@dataclass(frozen=True, slots=True)
class ShownFile:
    """A file as a model gets to see it."""

    mime_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call came to.

    Args:
        content: any JSON value; where `is_error`, a message for the model about what went wrong.
        is_error: whether the call failed.
        attachments: files that it shows to a model which can see them.
        actions: what it did to the session, for the event that tells of it: `state_delta`, `artifact_delta`.
        file: where the content is kept, if it is too large for a document.
    """

    content: Any
    is_error: bool = False
    attachments: tuple[Attachment, ...] = ()
    actions: Mapping[str, Any] = field(default_factory=dict[str, Any])
    file: ValueFile | None = None
