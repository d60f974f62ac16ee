"""What an agent takes and gives, the texts that it holds, and what its author should know."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.definition_faults import inspect_definition
from shared.domain.definition_models import RETIRED, retirement_of
from shared.domain.definition_warnings import warnings_of

HELPER: dict[str, Any] = {"name": "helper", "model": "local:extractive"}
TOPIC: dict[str, Any] = {
    "type": "object",
    "properties": {"topic": {"type": "string"}, "depth": {"type": "integer"}},
    "required": ["topic"],
}
TEXT: dict[str, Any] = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@pytest.mark.parametrize(
    "fields",
    [
        {"input_schema": TEXT, "output_schema": {"type": "object"}},
        {"input_schema": TOPIC, "prompt": "On {{ input.topic }}"},
        {"input_schema": TOPIC, "prompt": "{{ input }}"},
        {"prompt": "{{ input.anything }}"},
        {"model": "default"},
        {"model": {"provider": "default", "temperature": 0.1}},
        {"limits": {"cost_usd_micros": 5000, "seconds": 30, "total_tokens": 10, "tool_calls": 1, "requests": 1}},
        {
            "display_name": "研究 🧶 é",
            "description": "\u0628\u200c\u067e\n\tzwei",
            "metadata": {"tags": ["👩\u200d🔬"]},
        },
        {"system_prompt": "Right to left: \u2067\u05e9\u05dc\u05dd\u2069."},
        {"description": "A template speaks of {{ this }} and ${that}."},
    ],
)
def test_a_good_definition_has_no_fault(fields: dict[str, Any]) -> None:
    assert inspect_definition({**HELPER, **fields})[1] == ()


@pytest.mark.parametrize(
    ("fields", "path", "reason", "suggestion"),
    [
        ({"input_schema": {"type": "string"}}, "input_schema.type", "must be object", "object"),
        ({"output_schema": 5}, "output_schema", "must be a JSON Schema", None),
        ({"input_schema": TOPIC}, "prompt", "no required 'text'", "{{ input }}"),
        (
            {"input_schema": TOPIC, "prompt": "{{ input.topc }}"},
            "prompt",
            "{{ input.topc }} is not in the input_schema",
            "{{ input.topic }}",
        ),
        ({"prompt": "{{ ''.__class__ }}"}, "prompt", "is not a path", "{{ input.text }}"),
        ({"prompt": "{{ other.output }}"}, "prompt", "nothing but the input", "{{ input.text }}"),
        ({"model": "default:fast"}, "model", "no other name", "default"),
        ({"limits": {"seconds": 0}}, "limits.seconds", "greater than 0", None),
        ({"limits": {"cost_usd_micros": 0}}, "limits.cost_usd_micros", "greater", None),
        ({"display_name": "Ada\u202egnp.exe"}, "display_name", "U+202E at character 4", "Adagnp.exe"),
        ({"display_name": "two\nlines"}, "display_name", "U+000A", "twolines"),
        ({"display_name": "zero\u200bwidth"}, "display_name", "U+200B", "zerowidth"),
        ({"display_name": "\u2028"}, "display_name", "U+2028", None),
        ({"display_name": "  "}, "display_name", "must not be blank", None),
        ({"version": "1.0\x1b[31m"}, "version", "U+001B", "1.0[31m"),
        ({"metadata": {"tags": ["a\u0000"]}}, "metadata.tags.0", "U+0000", "a"),
        ({"metadata": {"tags": [""]}}, "metadata.tags.0", "from 1 to 64", None),
        ({"metadata": {"tags": ["x" * 65]}}, "metadata.tags.0", "from 1 to 64", None),
        ({"metadata": {"category": "x" * 65}}, "metadata.category", "at most 64", None),
        ({"metadata": {"k\u202e": 1}}, "metadata.k\u202e", "U+202E", "k"),
        ({"metadata": {"note": "x" * 17_000}}, "metadata", "16,384", None),
        ({"description": "bell\x07"}, "description", "a control character: U+0007", "bell"),
        ({"system_prompt": "seen\U000e0041unseen"}, "system_prompt", "U+E0041", "seenunseen"),
        ({"system_prompt": "x" * 200_001}, "system_prompt", "at most 200000", None),
        ({"workflows": {"w": {"steps": [{"query": "{{ ''.__class__ }}"}]}}}, "workflows.w", "is not a path", None),
    ],
)
def test_a_fault_is_found_where_it_is(fields: dict[str, Any], path: str, reason: str, suggestion: str | None) -> None:
    faults = inspect_definition({**HELPER, **fields})[1]
    wanted = [fault for fault in faults if fault.path == path and reason in fault.reason]
    assert [fault.suggestion for fault in wanted] == [suggestion] or path == "workflows.w", faults
    assert len(wanted) == 1


def test_the_prompt_of_a_graph_belongs_to_its_nodes() -> None:
    graph = {"nodes": {"a": {"kind": "agent", "prompt": "{{ input.topic }}"}}}
    raw = {**HELPER, "type": "graph", "graph": graph, "input_schema": TOPIC}
    assert inspect_definition(raw)[1] == ()
    (fault,) = inspect_definition({**raw, "prompt": "x"})[1]
    assert (fault.path, fault.suggestion) == ("prompt", "graph.nodes.<node>.prompt")


@pytest.mark.parametrize(
    ("model", "nearest"),
    [
        ("gemini-1.5-pro", "gemini-3.8-flash"),
        ("gemini-1.5-pro-002", "gemini-3.8-flash"),
        ("models/gemini-2.0-flash-001", "gemini-3.8-flash"),
        ("gemini-1.5-flash-latest", "gemini-3.8-flash"),
        ("claude-3-opus@20240229", "claude-opus-5-5"),
        ("claude-3-5-haiku-20241022", "claude-haiku-5-5"),
        ("claude-sonnet-4-0", "claude-sonnet-5-5"),
        ("claude-2.1", "claude-sonnet-5-5"),
        ("Claude-3-7-Sonnet-Latest", "claude-sonnet-5-5"),
        ("claude-opus-4-5", None),
        ("gemini-3.8-flash", None),
        ("", None),
        ("extractive", None),
    ],
)
def test_a_retired_model_has_a_nearest_one(model: str, nearest: str | None) -> None:
    found = retirement_of(model)
    assert (found and found.nearest) == nearest


def test_no_model_leads_to_one_that_is_retired_itself() -> None:
    assert [one.nearest for one in RETIRED.values() if retirement_of(one.nearest)] == []


def test_retired_models_are_told_wherever_they_are_named() -> None:
    sub = {"description": "x", "model": "google:gemini-1.5-flash"}
    body = {"kind": "agent", "prompt": "x", "model": "anthropic:claude-2.0"}
    raw = {
        "model": {"provider": "vertex-gemini", "model": "gemini-1.5-pro"},
        "agents": {"a": {"description": "x", "agents": {"b": sub}}},
        "graph": {"nodes": {"m": {"kind": "map", "body": body}, "n": {"model": "local:extractive"}}},
    }
    assert [(found.path, found.suggestion) for found in warnings_of(raw)] == [
        ("model.model", "gemini-3.8-flash"),
        ("agents.a.agents.b.model", "google:gemini-3.8-flash"),
        ("graph.nodes.m.body.model", "anthropic:claude-sonnet-5-5"),
    ]
    assert "2025-09-24" in warnings_of(raw)[0].reason


def test_an_input_that_may_be_missing_is_told() -> None:
    raw = {**HELPER, "input_schema": TOPIC, "prompt": "{{ input.topic }} {{ input.depth }}"}
    (found,) = warnings_of(raw)
    assert "{{ input.depth }}" in found.reason


@pytest.mark.parametrize("raw", [None, [], {"model": 5}, {"model": {"model": 5}, "prompt": 5, "input_schema": []}])
def test_warnings_are_looked_for_in_anything(raw: Any) -> None:
    assert warnings_of(raw) == ()
