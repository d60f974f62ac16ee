"""Store a file in a session's workspace."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.artifact_names import artifact_name
from shared.domain.artifacts import (
    ArtifactHead,
    ArtifactVersion,
    artifact_path,
    check_artifact,
    digest_of,
    plan_version,
)
from shared.domain.errors import Aborted, Unavailable
from shared.domain.ids import SessionId, Uid
from shared.domain.media_types import detect_media_type
from shared.domain.records import parse
from shared.ports.clock import Clock
from shared.ports.documents import CommitRefused, Documents, OutcomeUnknown, Snapshot

_ATTEMPTS = 20
_MAX_LOST_REPLIES = 3


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
    lost_replies = 0
    for _ in range(_ATTEMPTS):
        snapshot = await documents.get(artifact_path(new.session_id, name))
        head = _head(snapshot)
        if head is not None and head.digest == digest:
            return Stored(head, created=lost_replies > 0)
        version = _next_version(new, name, digest, head, clock)
        try:
            edits = () if head is None else head.edits
            for writes in plan_version(new.session_id, version, new.content, snapshot.update_time, edits):
                await documents.commit(writes)
        except CommitRefused:
            continue
        except OutcomeUnknown as error:
            lost_replies += 1
            if lost_replies == _MAX_LOST_REPLIES:
                raise Unavailable("The document store does not say whether the file was stored.") from error
        else:
            return Stored(version.as_head, created=True)
    raise Aborted(f"Others keep writing {name!r}.")


def _head(snapshot: Snapshot) -> ArtifactHead | None:
    return None if snapshot.fields is None else parse(ArtifactHead, snapshot.fields)


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
