"""Read many files of a session's workspace, no more than are needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from shared.domain.artifacts import ArtifactHead
from shared.domain.ids import SessionId
from shared.ports.documents import Documents
from shared.usecases.artifacts.get_artifact import ArtifactContent, get_versions

BATCH_BYTES = 8 * 1024 * 1024
BATCH_FILES = 100


async def read_workspace(
    documents: Documents, session_id: SessionId, heads: Sequence[ArtifactHead]
) -> AsyncIterator[list[ArtifactContent]]:
    """Read the newest versions in batches of bounded size, each when it is asked for.

    Raises:
        Unavailable: the store does not answer.
    """
    for batch in _batches(heads):
        yield await get_versions(documents, session_id, [(head.name, head.head) for head in batch])


def _batches(heads: Sequence[ArtifactHead]) -> list[list[ArtifactHead]]:
    batches: list[list[ArtifactHead]] = []
    room = 0
    for head in heads:
        if not batches or head.size_bytes > room or len(batches[-1]) == BATCH_FILES:
            batches.append([])
            room = BATCH_BYTES
        batches[-1].append(head)
        room -= head.size_bytes
    return batches
