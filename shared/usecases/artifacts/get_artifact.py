"""Read a file of a session's workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.artifact_names import artifact_name
from shared.domain.artifacts import (
    ArtifactHead,
    ArtifactVersion,
    artifact_path,
    chunk_paths,
    digest_of,
    version_path,
)
from shared.domain.errors import Internal, NotFound
from shared.domain.ids import SessionId
from shared.domain.records import parse
from shared.ports.documents import Documents, Snapshot


@dataclass(frozen=True, slots=True)
class ArtifactContent:
    """A version with its bytes."""

    artifact: ArtifactVersion
    content: bytes


async def get_artifact(
    documents: Documents, session_id: SessionId, name: str, version: int | None = None
) -> ArtifactContent:
    """Read a version, or the newest, of a session that the caller has been found to be allowed to read.

    Raises:
        InvalidArgument: the name is not a relative path.
        NotFound: there is no such artifact or version.
        Unavailable: the store does not answer.
    """
    name = artifact_name(name)
    if version is None:
        version = (await get_head(documents, session_id, name)).head
    (found,) = await get_versions(documents, session_id, [(name, version)])
    return found


async def get_head(documents: Documents, session_id: SessionId, name: str) -> ArtifactHead:
    """Read what an artifact's newest version is.

    Raises:
        NotFound: there is no such artifact.
    """
    snapshot = await documents.get(artifact_path(session_id, name))
    if snapshot.fields is None:
        raise NotFound(f"There is no file {name!r}.")
    return parse(ArtifactHead, snapshot.fields)


async def get_versions(
    documents: Documents, session_id: SessionId, wanted: Sequence[tuple[str, int]]
) -> list[ArtifactContent]:
    """Read several versions, given by normal name and number, in two round trips at most.

    Raises:
        NotFound: one of them does not exist.
    """
    paths = [version_path(session_id, name, version) for name, version in wanted]
    snapshots = await documents.get_many(paths) if paths else []
    for (name, version), snapshot in zip(wanted, snapshots, strict=True):
        if not snapshot.exists:
            raise NotFound(f"There is no version {version} of a file {name!r}.")
    versions = [parse(ArtifactVersion, snapshot.fields or {}) for snapshot in snapshots]
    chunked = [path for version in versions for path in chunk_paths(session_id, version)]
    chunks = {chunk.path: chunk for chunk in await documents.get_many(chunked)} if chunked else {}
    return [
        ArtifactContent(
            version,
            _joined(version, [chunks[path] for path in chunk_paths(session_id, version)] or [snapshot]),
        )
        for version, snapshot in zip(versions, snapshots, strict=True)
    ]


def _joined(version: ArtifactVersion, parts: Sequence[Snapshot]) -> bytes:
    content = b"".join((part.fields or {}).get("content", b"") for part in parts)
    if digest_of(content) != version.digest:
        raise Internal(f"version {version.version} of {version.name!r} is damaged")
    return content
