"""Schemas that authors write: a part of JSON Schema whose judgement takes bounded time."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from shared.domain.definition_schemas import (
    KEYWORDS,
    MAX_DEPTH,
    MAX_VALUE_FAULTS,
    schema_faults,
    value_faults,
    with_defaults,
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "topic": {"type": "string", "minLength": 3, "pattern": "^[a-z ]+$"},
        "depth": {"type": "integer", "minimum": 1, "maximum": 5, "default": 2},
        "tags": {"type": "array", "items": {"enum": ["fire", "loom"]}, "uniqueItems": True},
        "place": {"$ref": "#/$defs/place"},
    },
    "required": ["topic"],
    "additionalProperties": False,
    "$defs": {"place": {"type": ["string", "null"]}},
}


def chain(links: int) -> dict[str, Any]:
    below = {f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(links)}
    return {"type": "object", "$defs": {**below, f"d{links}": {}}}


def doubling(levels: int) -> dict[str, Any]:
    two = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"type": "object", "$defs": {**two, f"d{levels}": {}}}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"allOf": [schema]}
    return {"type": "object", "properties": {"a": schema}}


def test_a_good_schema_has_no_fault() -> None:
    assert schema_faults("input_schema", SCHEMA) == ()


@pytest.mark.parametrize(
    ("schema", "path", "reason", "suggestion"),
    [
        ([], "s", "must be a JSON Schema", None),
        ({"type": "string"}, "s.type", "must be object", "object"),
        ({}, "s.type", "must be object", "object"),
        ({"type": "objct"}, "s.type", "must be one of string", "object"),
        ({"type": ["object", 5]}, "s.type", "must be one of string", None),
        ({"type": "object", "requird": []}, "s.requird", "not a keyword", "required"),
        ({"type": "object", "patternProperties": {}}, "s.patternProperties", "not a keyword", "properties"),
        ({"type": "object", "$dynamicRef": "#x"}, "s.$dynamicRef", "not a keyword", None),
        (
            {"type": "object", "properties": {"a": {"pattern": "(a)\\1"}}},
            "s.properties.a.pattern",
            "without look-around and back references",
            None,
        ),
        ({"type": "object", "properties": {"a": {"minimum": "1"}}}, "s.properties.a.minimum", "must be a number", None),
        ({"type": "object", "properties": 5}, "s.properties", "must be a map", None),
        ({"type": "object", "required": "a"}, "s.required", "must be a list", None),
        ({"type": "object", "properties": {"a": {"$ref": 5}}}, "s.properties.a.$ref", "$defs", "#/$defs/name"),
        (
            {"type": "object", "properties": {"a": {"$ref": "http://169.254.169.254/"}}},
            "s.properties.a.$ref",
            "$defs",
            "#/$defs/name",
        ),
        (
            {"type": "object", "properties": {"a": {"$ref": "#/$defs/plce"}}, "$defs": {"place": {}}},
            "s.properties.a.$ref",
            "there is nothing at",
            "#/$defs/place",
        ),
        ({"type": "object", "$defs": {"a": {"not": {"$ref": "#/$defs/a"}}}}, "s.$defs.a", "refers to itself", None),
        (chain(MAX_DEPTH + 1), f"s.$defs.d{MAX_DEPTH}", "through more than", None),
        (doubling(30), "s", "when every $ref is written out", None),
        (nested(MAX_DEPTH + 1), "s", f"{MAX_DEPTH} deep", None),
        ({"type": "object", "description": "x" * 70_000}, "s", "65,536 characters", None),
    ],
)
def test_a_fault_of_a_schema_is_found_where_it_is(schema: Any, path: str, reason: str, suggestion: str | None) -> None:
    (found,) = schema_faults("s", schema)
    assert (found.path, found.suggestion) == (path, suggestion)
    assert reason in found.reason


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"topic": "iron"}, []),
        ({"topic": "iron", "depth": 5, "tags": ["fire", "loom"], "place": None}, []),
        ({}, [("input.topic", "is missing", None)]),
        ({"topic": 5}, [("input.topic", "must be text", None)]),
        ({"topic": "ir"}, [("input.topic", "must have at least 3 characters", None)]),
        ({"topic": "IRON"}, [("input.topic", "must match the pattern ^[a-z ]+$", None)]),
        ({"topic": "iron", "depth": 9}, [("input.depth", "must be at most 5", None)]),
        ({"topic": "iron", "depth": True}, [("input.depth", "must be a whole number", None)]),
        ({"topic": "iron", "depth": 10**400}, [("input.depth", "must be at most 5", None)]),
        ({"topic": "iron", "tags": ["fier"]}, [("input.tags.0", "must be one of fire, loom", "fire")]),
        ({"topic": "iron", "tags": ["fire", "fire"]}, [("input.tags", "must not have an item twice", None)]),
        ({"topic": "iron", "place": 1}, [("input.place", "must be text or null", None)]),
        ({"topic": "iron", "depht": 1}, [("input.depht", "is not a known key here", "depth")]),
        ("text", [("input", "must be a map of names to values", None)]),
    ],
)
def test_a_value_is_judged_in_plain_words(value: Any, told: list[tuple[str, str, str | None]]) -> None:
    found = value_faults("input", SCHEMA, value)
    assert [(fault.path, fault.reason, fault.suggestion) for fault in found] == told


def test_a_number_that_no_float_holds_is_refused() -> None:
    schema = {"type": "object", "properties": {"n": {"multipleOf": 0.5}}}
    assert [fault.reason for fault in value_faults("v", schema, {"n": 10**400})] == ["has a number that is too large"]


def test_many_faults_of_a_value_are_cut() -> None:
    schema = {"type": "object", "additionalProperties": {"type": "string"}}
    assert len(value_faults("v", schema, {f"k{n}": n for n in range(500)})) == MAX_VALUE_FAULTS


def test_a_value_that_would_take_too_long_to_judge_is_refused() -> None:
    kinds = [*({"minLength": n} for n in range(2, 1500)), {"type": "string"}]
    schema = {"type": "object", "properties": {"a": {"items": {"anyOf": kinds}}}}
    assert schema_faults("s", schema) == ()
    started = time.process_time()
    (fault,) = value_faults("v", schema, {"a": ["x"] * 50_000})
    assert "too long to judge" in fault.reason
    assert time.process_time() - started < 20


def test_one_value_that_takes_too_long_leaves_the_next_one_all_its_time() -> None:
    schema = {"type": "array", "items": {"type": "integer"}}
    for _ in range(2):
        (fault,) = value_faults("", schema, [0] * 200_000)
        assert "too long to judge" in fault.reason
        assert not value_faults("", schema, [0] * 90_000)


def test_defaults_fill_what_is_missing() -> None:
    assert with_defaults(SCHEMA, {"topic": "x"}) == {"topic": "x", "depth": 2}
    assert with_defaults(SCHEMA, {"depth": 1}) == {"depth": 1}
    assert with_defaults({"properties": {"a": True, "b": False}}, {}) == {}


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6)
JSON = st.recursive(
    LEAVES | st.sampled_from(["object", "string", "#/$defs/a", "(", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(sorted(KEYWORDS)) | st.just("a"), inner, max_size=4)
    ),
    max_leaves=12,
)
SCHEMAS = JSON | st.dictionaries(st.sampled_from(sorted(KEYWORDS)), JSON, max_size=4).map(
    lambda schema: {**schema, "type": "object"}
)


@given(schema=SCHEMAS, value=JSON)
def test_whatever_is_written_is_judged_as_the_standard_judges_it(schema: Any, value: Any) -> None:
    wrong = schema_faults("s", schema)
    assert all(fault.path.startswith("s") and fault.reason for fault in wrong)
    if not wrong:
        misfits = value_faults("v", schema, value)
        assert all(fault.path.startswith("v") and fault.reason for fault in misfits)
        standard: Any = Draft202012Validator(schema)
        assert (misfits == ()) == standard.is_valid(value)
