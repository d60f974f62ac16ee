"""Artifacts: the versioned files of a session, which are also its agents' workspace.

`sessions/{id}/artifacts/{artifact_id}` is the head; below it `versions/{n}`, immutable, holds the content, or
`versions/{n}/chunks/…` do. Chunks are named by digest, so that two writers of the same version number cannot mix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from shared.domain.artifact_names import artifact_id
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.ids import SessionId, Uid
from shared.domain.media_types import media_type_fault
from shared.domain.records import render
from shared.domain.writes import Create, Fields, Put, Update, Write

MAX_ARTIFACT_BYTES = 10 * 1024 * 1024
MAX_METADATA_CHARACTERS = 32_768
MAX_EDIT_MARKS = 20
INLINE_BYTES = 256 * 1024
CHUNK_BYTES = 512 * 1024
"""Of content in one document, also of knowledge."""
COMMIT_BYTES = 3 * 1024 * 1024
"""Of content in one commit: a request may have 10 MiB in production, and 4 MiB on the emulator.

Source: https://cloud.google.com/firestore/quotas
"""


@dataclass(frozen=True, slots=True)
class ArtifactHead:
    """The newest version of an artifact, as lists show it.

    Args:
        head: number of the newest version.
        digest: SHA-256 of its content, in hex.
        edits: the latest edits, `mark:version`, the newest last: an edit that is asked for again was done.
    """

    owner_uid: Uid
    name: str
    head: int
    mime_type: str
    size_bytes: int
    digest: str
    updated_at: datetime
    edits: tuple[str, ...] = ()

    def version_by(self, mark: str) -> int | None:
        """The version that the edit with this mark made, if it is one of the latest."""
        made = (edit.rpartition(":") for edit in self.edits)
        return next((int(version) for known, _, version in made if known == mark), None)


@dataclass(frozen=True, slots=True)
class ArtifactVersion:
    """One immutable version of an artifact, without its content.

    Args:
        version: from 1.
        digest: SHA-256 of the content, in hex.
        created_by: the person's uid, or the path of the node that wrote it.
        chunks: how many chunk documents hold the content; 0 when it is inline.
        metadata_json: what the writer noted about it, a JSON object.
    """

    owner_uid: Uid
    name: str
    version: int
    mime_type: str
    size_bytes: int
    digest: str
    created_at: datetime
    created_by: str
    chunks: int = 0
    metadata_json: str = "{}"

    @property
    def as_head(self) -> ArtifactHead:
        """The head that makes this version the newest."""
        return ArtifactHead(
            owner_uid=self.owner_uid,
            name=self.name,
            head=self.version,
            mime_type=self.mime_type,
            size_bytes=self.size_bytes,
            digest=self.digest,
            updated_at=self.created_at,
        )


def artifacts_path(session_id: SessionId) -> str:
    """The collection of a session's artifacts."""
    return f"sessions/{session_id}/artifacts"


def artifact_path(session_id: SessionId, name: str) -> str:
    """Where an artifact's head is stored."""
    return f"{artifacts_path(session_id)}/{artifact_id(name)}"


def versions_path(session_id: SessionId, name: str) -> str:
    """The collection of an artifact's versions."""
    return f"{artifact_path(session_id, name)}/versions"


def version_path(session_id: SessionId, name: str, version: int) -> str:
    """Where a version is stored."""
    return f"{versions_path(session_id, name)}/{version}"


def chunk_paths(session_id: SessionId, version: ArtifactVersion) -> list[str]:
    """Where the chunks of a version are stored, in order."""
    collection = f"{version_path(session_id, version.name, version.version)}/chunks"
    return [f"{collection}/{version.digest[:32]}-{i:04}" for i in range(version.chunks)]


def digest_of(content: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


def check_artifact(content: bytes, mime_type: str | None, metadata_json: str) -> None:
    """Refuse what cannot be stored.

    Raises:
        InvalidArgument: with every fault at once.
    """
    faults: list[Fault] = []
    if len(content) > MAX_ARTIFACT_BYTES:
        reason = f"has {len(content):,} bytes; {MAX_ARTIFACT_BYTES:,} are the most"
        faults.append(Fault("content", reason))
    if mime_type is not None and (fault := media_type_fault(mime_type)):
        faults.append(fault)
    if len(metadata_json) > MAX_METADATA_CHARACTERS:
        faults.append(Fault("metadata", f"has more than {MAX_METADATA_CHARACTERS:,} characters as JSON"))
    if faults:
        reasons = "; ".join(f"{fault.path} {fault.reason}" for fault in faults)
        raise InvalidArgument(f"The artifact cannot be stored: {reasons}.", tuple(faults))


def plan_version(
    session_id: SessionId,
    version: ArtifactVersion,
    content: bytes,
    seen: datetime | None,
    edits: tuple[str, ...] = (),
) -> list[list[Write]]:
    """The commits that store a version, in order; only the last makes it visible.

    Args:
        session_id: the session.
        version: the version; its `chunks` are counted here.
        content: its bytes.
        seen: last update time of the head that this version follows; None when it is the first.
        edits: marks of edits for the new head, of which the latest are kept.
    """
    pieces = _pieces(content)
    version = replace(version, chunks=len(pieces))
    commits: list[list[Write]] = [[]]
    room = COMMIT_BYTES
    for path, piece in zip(chunk_paths(session_id, version), pieces, strict=True):
        if room < len(piece):
            commits.append([])
            room = COMMIT_BYTES
        commits[-1].append(Put(path, {"owner_uid": version.owner_uid, "content": piece}))
        room -= len(piece)
    inline = {} if pieces else {"content": content}
    head = replace(version.as_head, edits=edits[-MAX_EDIT_MARKS:])
    commits[-1] += _visible(session_id, {**render(version), **inline}, head, seen)
    return commits


def _pieces(content: bytes) -> list[bytes]:
    if len(content) <= INLINE_BYTES:
        return []
    return [content[i : i + CHUNK_BYTES] for i in range(0, len(content), CHUNK_BYTES)]


def _visible(session_id: SessionId, version: Fields, head: ArtifactHead, seen: datetime | None) -> Iterator[Write]:
    yield Create(version_path(session_id, head.name, head.head), version)
    path = artifact_path(session_id, head.name)
    yield Create(path, render(head)) if seen is None else Update(path, render(head), seen)
