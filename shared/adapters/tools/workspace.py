"""The files that a tool call works on: those of its session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.artifacts import ArtifactVersion
from shared.domain.errors import FailedPrecondition
from shared.domain.ids import RunId, SessionId, Uid
from shared.domain.media_types import decode_text
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.usecases.artifacts.get_artifact import ArtifactContent


@dataclass(frozen=True, slots=True)
class Workspace:
    """What one tool call may touch.

    Args:
        documents: the store.
        clock: for new versions.
        session_id: the session whose files these are.
        run_id: the run that calls.
        owner_uid: the session's owner.
        author: the path of the node that calls.
        call: what tells this call from every other of the node; the same when the call is made again.
        config: the tool's configuration in the definition.
    """

    documents: Documents
    clock: Clock
    session_id: SessionId
    run_id: RunId
    owner_uid: Uid
    author: str
    config: Mapping[str, Any]
    call: str = ""


def text_of(file: ArtifactContent) -> str:
    """The text of a file.

    Raises:
        FailedPrecondition: it is binary.
    """
    text = decode_text(file.content)
    if text is None:
        raise FailedPrecondition(f"{describe(file.artifact)} is binary; this tool reads text in UTF-8.{_advice(file)}")
    return text


def describe(artifact: ArtifactVersion) -> str:
    """A file in a message: name, type and size."""
    return f"{artifact.name!r} ({artifact.mime_type}, {artifact.size_bytes:,} bytes)"


def _advice(file: ArtifactContent) -> str:
    return " Use document_analyzer." if file.content.startswith(b"%PDF-") else ""
