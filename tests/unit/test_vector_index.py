"""The search by vector has the index that production demands; the emulator needs none."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from scripts.local.paths import ROOT
from shared.adapters.embedders.hashed_words import embed
from shared.domain.knowledge import DIMENSIONS, PASSAGES, CollectionId, KnowledgeDocument, StoredPassage
from shared.usecases.knowledge.search_knowledge import nearest_query

CONTENT: dict[str, Any] = json.loads((ROOT / "firestore.indexes.json").read_text("utf-8"))
EXEMPT = {(one["collectionGroup"], one["fieldPath"]) for one in CONTENT["fieldOverrides"]}


def test_there_is_an_index_for_the_search_of_a_collection() -> None:
    query = nearest_query(CollectionId("c"), embed("forge"), 10)
    filtered: list[Any] = [{"fieldPath": condition.field, "order": "ASCENDING"} for condition in query.where]
    vector: Any = {"fieldPath": query.field, "vectorConfig": {"dimension": DIMENSIONS, "flat": {}}}
    index = {"collectionGroup": query.collection, "queryScope": "COLLECTION", "fields": [*filtered, vector]}
    assert index in CONTENT["indexes"]
    assert len(query.vector.values) == DIMENSIONS


def test_of_a_passage_only_what_is_asked_for_is_indexed() -> None:
    names = {field.name for field in dataclasses.fields(StoredPassage)}
    asked = {"collection_id", "document_id", "revision"}
    assert {name for name in names if (PASSAGES, name) not in EXEMPT} == asked


def test_what_may_be_long_in_a_document_is_not_indexed() -> None:
    names = {field.name for field in dataclasses.fields(KnowledgeDocument)}
    assert {"error", "stale"} <= names
    assert {("documents", "error"), ("documents", "stale"), ("contents", "content")} <= EXEMPT
