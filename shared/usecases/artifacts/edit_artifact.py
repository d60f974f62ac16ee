"""Change a file of a session's workspace, given how it is now."""

from __future__ import annotations

from collections.abc import Callable
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
from shared.domain.errors import NotFound
from shared.domain.ids import SessionId
from shared.domain.records import parse
from shared.ports.clock import Clock
from shared.ports.documents import Documents, Snapshot
from shared.usecases.artifacts.get_artifact import ArtifactContent, get_versions
from shared.usecases.change_record import Change, change_record


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of a file.

    Args:
        session_id: a session that the caller has been found to own.
        name: a relative path.
        mark: what tells this edit from every other; an edit with the same mark is not made twice.
        created_by: the person's uid, or the path of the node that edits.
        change: makes the new bytes of what is there; called again when somebody else was faster. What it raises ends
            the edit.
    """

    session_id: SessionId
    name: str
    mark: str
    created_by: str
    change: Callable[[ArtifactContent], bytes]


async def edit_artifact(documents: Documents, clock: Clock, edit: Edit) -> ArtifactHead:
    """Make the changed content the file's newest version, unless this edit was made already; the version made.

    No change of somebody else's in between is lost: the edit is made on the newest version or not at all.

    Raises:
        NotFound: there is no such file.
        InvalidArgument: the name or the new content cannot be stored.
        Aborted: other writers were faster every time.
        Unavailable: the store does not answer.
    """
    name = artifact_name(edit.name)

    async def decide(snapshot: Snapshot) -> Change[ArtifactHead]:
        if snapshot.fields is None:
            raise NotFound(f"There is no file {name!r}.")
        head = parse(ArtifactHead, snapshot.fields)
        if (made := head.version_by(edit.mark)) is not None:
            return Change(await _made(documents, edit.session_id, name, made))
        (found,) = await get_versions(documents, edit.session_id, [(name, head.head)])
        version, content = _changed(found, edit, clock)
        edits = (*head.edits, f"{edit.mark}:{version.version}")
        *chunks, last = plan_version(edit.session_id, version, content, snapshot.update_time, edits)
        return Change(version.as_head, last, chunks)

    return await change_record(documents, clock, artifact_path(edit.session_id, name), decide)


def _changed(found: ArtifactContent, edit: Edit, clock: Clock) -> tuple[ArtifactVersion, bytes]:
    """The version that the edit makes of the newest one, and its bytes."""
    content = edit.change(found)
    check_artifact(content, None, "{}")
    version = replace(
        found.artifact,
        version=found.artifact.version + 1,
        size_bytes=len(content),
        digest=digest_of(content),
        created_at=clock.now(),
        created_by=edit.created_by,
    )
    return version, content


async def _made(documents: Documents, session_id: SessionId, name: str, version: int) -> ArtifactHead:
    (found,) = await get_versions(documents, session_id, [(name, version)])
    return found.artifact.as_head
