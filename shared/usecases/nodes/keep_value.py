"""Keep a value that is too large for its document as a file of the session, and read it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from shared.domain.artifacts import MAX_ARTIFACT_BYTES
from shared.domain.errors import TooLarge
from shared.domain.large_values import MAX_NESTING, ValueFile, beginning_of, file_name, is_large, is_nested
from shared.domain.nodes import NodeRun, Outcome
from shared.domain.records import from_json, to_json
from shared.ports.documents import Documents
from shared.usecases.artifacts.get_artifact import get_versions
from shared.usecases.artifacts.put_artifact import NewArtifact, put_artifact
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.node_context import NodeContext


async def keep_text(core: Core, context: NodeContext, name: str, text: str) -> ValueFile:
    """Store a text as a file of the run's session.

    An attempt that was superseded may add a version that nothing refers to; the node's own commit, under its lease,
    decides which one counts.

    Raises:
        TooLarge: no file may be so large.
        Aborted, Unavailable: it was not stored.
    """
    content = text.encode()
    if len(content) > MAX_ARTIFACT_BYTES:
        raise TooLarge(f"It has {len(content):,} bytes; {MAX_ARTIFACT_BYTES:,} are the most.")
    run = context.run
    mime_type = "application/json" if name.endswith(".json") else "text/plain"
    new = NewArtifact(run.session_id, run.owner_uid, name, content, context.attempt.path, mime_type)
    stored = await put_artifact(core.documents, core.clock, new)
    await context.attempt.beat()
    return ValueFile(run.session_id, name, stored.head.head, len(content))


async def keep_output(core: Core, context: NodeContext, outcome: Outcome) -> Outcome:
    """The outcome with references to what is too large of it, and the beginning of its text.

    Raises:
        TooLarge: as `keep_text`; or there is too much within one another for those who read it.
        Aborted, Unavailable: as `keep_text`.
    """
    output_file = await _keep(core, context, outcome.output, "output")
    items_file = await _keep(core, context, outcome.items, "items")
    text = beginning_of(outcome.text) if output_file is not None else outcome.text
    return replace(outcome, output_file=output_file, items_file=items_file, text=text)


async def _keep(core: Core, context: NodeContext, value: Any, part: str) -> ValueFile | None:
    text = "" if value is None else to_json(value)
    if is_nested(value, text):
        raise TooLarge(f"It has more than {MAX_NESTING} lists and maps within one another.")
    if not is_large(text):
        return None
    return await keep_text(core, context, file_name(context.run_id, context.instance, part), text)


async def read_outputs_of(documents: Documents, nodes: Sequence[NodeRun]) -> list[Any]:
    """What nodes gave, wherever it is kept."""
    values = await read_files(documents, [node.output_file for node in nodes if node.output_file is not None])
    return [from_json(node.output_json) if node.output_file is None else values[node.output_file] for node in nodes]


async def read_items_of(documents: Documents, node: NodeRun) -> list[Any] | None:
    """The list that a map expanded, wherever it is kept."""
    if node.items_file is None:
        return from_json(node.items_json)
    return (await read_files(documents, [node.items_file]))[node.items_file]


async def read_files(documents: Documents, files: Sequence[ValueFile]) -> dict[ValueFile, Any]:
    """The values of files, in two round trips for each session."""
    found: dict[ValueFile, Any] = {}
    for session_id in dict.fromkeys(file.session_id for file in files):
        own = list(dict.fromkeys(file for file in files if file.session_id == session_id))
        contents = await get_versions(documents, session_id, [(file.name, file.version) for file in own])
        found |= {file: json.loads(content.content) for file, content in zip(own, contents, strict=True)}
    return found
