"""Store a file in a session's workspace."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.artifact_names import artifact_name
from shared.domain.artifacts import (
    ArtifactHead,
    ArtifactVersion,
    artifact_path,
    check_artifact,
    digest_of,
    plan_version,
)
from shared.domain.ids import SessionId, Uid
from shared.domain.media_types import detect_media_type
from shared.domain.records import parse
from shared.ports.clock import Clock
from shared.ports.documents import Documents, Snapshot
from shared.usecases.change_record import Change, change_record


@dataclass(frozen=True, slots=True)
class NewArtifact:
    """A file to store.

    Args:
        session_id: a session that the caller has been found to own.
        owner_uid: the session's owner.
        name: a relative path.
        content: its bytes.
        created_by: the person's uid, or the path of the node that writes.
        mime_type: the media type; None to detect it.
        metadata_json: what to note about it, a JSON object.
    """

    session_id: SessionId
    owner_uid: Uid
    name: str
    content: bytes
    created_by: str
    mime_type: str | None = None
    metadata_json: str = "{}"


@dataclass(frozen=True, slots=True)
class Stored:
    """The version that holds the content; `created` is False where it was the newest version already."""

    head: ArtifactHead
    created: bool


async def put_artifact(documents: Documents, clock: Clock, new: NewArtifact) -> Stored:
    """Make the content the newest version of the artifact, unless it is so already.

    Concurrent writers each get a version of their own, so the call may be repeated whatever became of it.

    Raises:
        InvalidArgument: the name, size, media type or metadata cannot be stored; all faults at once.
        Aborted: other writers were faster every time.
        Unavailable: the store does not answer.
    """
    name = artifact_name(new.name)
    check_artifact(new.content, new.mime_type, new.metadata_json)
    digest = digest_of(new.content)
    tried: list[ArtifactHead] = []

    async def decide(snapshot: Snapshot) -> Change[Stored]:
        head = None if snapshot.fields is None else parse(ArtifactHead, snapshot.fields)
        if head is not None and head.digest == digest:
            return Change(Stored(head, created=replace(head, edits=()) in tried))
        version = _next_version(new, name, digest, head, clock)
        edits = () if head is None else head.edits
        *chunks, last = plan_version(new.session_id, version, new.content, snapshot.update_time, edits)
        tried.append(version.as_head)
        return Change(Stored(version.as_head, created=True), last, chunks)

    return await change_record(documents, clock, artifact_path(new.session_id, name), decide)


def _next_version(new: NewArtifact, name: str, digest: str, head: ArtifactHead | None, clock: Clock) -> ArtifactVersion:
    return ArtifactVersion(
        owner_uid=new.owner_uid,
        name=name,
        version=1 if head is None else head.head + 1,
        mime_type=new.mime_type or detect_media_type(name, new.content),
        size_bytes=len(new.content),
        digest=digest,
        created_at=clock.now(),
        created_by=new.created_by,
        metadata_json=new.metadata_json,
    )
