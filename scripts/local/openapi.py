"""Merges the API documents of the functions into the one that clients see."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

from shared.edge.routes import find_deployable

Document = dict[str, Any]
"""A parsed OpenAPI document; its shape is OpenAPI's, not ours."""

_PREFIX = "#/components/"


def merge_documents(documents: Mapping[str, Document]) -> Document:
    """One document with each function's public paths and the components that they use.

    Args:
        documents: Each function's own document, by the function's name.

    Returns:
        The merged document. Components of one name that differ are told apart by a prefix.
    """
    merged: Document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Fireloom",
            "version": "1",
            "description": "Teams of AI agents as data: define, run, watch.",
        },
        "tags": [{"name": name} for name in sorted(documents)],
        "paths": {},
        "components": {},
    }
    for name, document in sorted(documents.items()):
        _add(merged, name, document)
    return merged


def _add(merged: Document, name: str, document: Document) -> None:
    renamed = _conflicts(merged["components"], document.get("components", {}), name)
    document = cast("Document", _rewrite(document, lambda ref: renamed.get(ref, ref)))
    for kind, entries in document.get("components", {}).items():
        target = merged["components"].setdefault(kind, {})
        for entry, value in entries.items():
            reference = f"{_PREFIX}{kind}/{entry}"
            target[renamed.get(reference, reference).rsplit("/", 1)[1]] = value
    for path, item in document.get("paths", {}).items():
        if find_deployable(path) == name:
            merged["paths"][path] = {method: {**operation, "tags": [name]} for method, operation in item.items()}


def _conflicts(present: Document, added: Document, name: str) -> dict[str, str]:
    """New references for components whose name is taken by something else."""
    return {
        f"{_PREFIX}{kind}/{entry}": f"{_PREFIX}{kind}/{name}_{entry}"
        for kind, entry, value in _components(added)
        if json.dumps(present.get(kind, {}).get(entry, value)) != json.dumps(value)
    }


def _components(components: Document) -> Iterator[tuple[str, str, object]]:
    for kind, entries in components.items():
        for entry, value in entries.items():
            yield kind, entry, value


def _rewrite(node: object, rename: Callable[[str], str]) -> object:
    if isinstance(node, dict):
        items = cast("Document", node).items()
        return {
            key: rename(value) if key == "$ref" and isinstance(value, str) else _rewrite(value, rename)
            for key, value in items
        }
    if isinstance(node, list):
        return [_rewrite(item, rename) for item in cast("list[object]", node)]
    return node
