"""Read the bytes of a document as they were brought."""

from __future__ import annotations

from shared.domain.errors import Internal
from shared.domain.knowledge import KnowledgeDocument, content_paths
from shared.ports.documents import Documents


async def read_content(documents: Documents, document: KnowledgeDocument) -> bytes:
    """The bytes of the upload that the record names.

    Raises:
        Internal: they are not whole; perhaps because the record is not the latest any more.
        Unavailable: the store does not answer.
    """
    parts = await documents.get_many(content_paths(document))
    content = b"".join((part.fields or {}).get("content", b"") for part in parts)
    if len(content) != document.size_bytes:
        raise Internal(f"the content of {document.path} is damaged")
    return content
