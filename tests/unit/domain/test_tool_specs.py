"""The built-in tools as data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.domain.definitions import AgentDefinition, ToolUse
from shared.domain.tool_specs import BUILT_IN, argument_faults, config_faults
from shared.domain.tools import Effect, Risk

EFFECTS = {
    "file_read": Effect.NONE,
    "file_write": Effect.IDEMPOTENT,
    "file_edit": Effect.IDEMPOTENT,
    "grep": Effect.NONE,
    "find": Effect.NONE,
    "diff": Effect.NONE,
    "document_analyzer": Effect.IDEMPOTENT,
    "image": Effect.IDEMPOTENT,
    "knowledge": Effect.NONE,
    "save_artifact": Effect.IDEMPOTENT,
    "set_state": Effect.IDEMPOTENT,
    "calculator": Effect.NONE,
    "current_time": Effect.NONE,
    "web_search": Effect.NONE,
    "web_fetch": Effect.NONE,
    "ask_human": Effect.NONE,
}
NAMES = set(EFFECTS)


def test_the_built_in_tools_are_those_that_definitions_name() -> None:
    assert set(BUILT_IN) == NAMES
    assert all(ToolUse.model_validate(name).name == name for name in BUILT_IN)


def test_each_tool_says_the_most_that_it_does() -> None:
    risks = {name: spec.risk for name, spec in BUILT_IN.items() if spec.risk is not Risk.READS}

    assert risks == {
        "file_write": Risk.WRITES,
        "file_edit": Risk.WRITES,
        "save_artifact": Risk.WRITES,
        "set_state": Risk.WRITES,
        "web_search": Risk.COSTS,
        "web_fetch": Risk.REACHES_OUT,
        "document_analyzer": Risk.REACHES_OUT,
        "image": Risk.REACHES_OUT,
    }


def test_each_tool_says_whether_a_call_may_be_repeated() -> None:
    assert {name: spec.effect for name, spec in BUILT_IN.items()} == EFFECTS


@pytest.mark.parametrize("name", sorted(NAMES))
def test_schemas_are_plain_json_objects_that_refuse_unknown_names(name: str) -> None:
    spec = BUILT_IN[name]

    for schema in (spec.arguments_schema, spec.config_schema):
        assert schema["type"] == "object"
        assert schema["additionalProperties"] is False
        text = json.dumps(schema)
        assert '"null"' not in text
        assert '"title"' not in text
        assert "$ref" not in text


@pytest.mark.parametrize("name", sorted(NAMES))
def test_every_argument_is_described_to_the_model(name: str) -> None:
    properties: Mapping[str, Mapping[str, Any]] = BUILT_IN[name].arguments_schema["properties"]

    assert all(argument.get("description") for argument in properties.values())


def test_the_first_users_definition_configures_its_tools_well() -> None:
    text = (Path(__file__).parents[2] / "data" / "research-agent.yaml").read_text(encoding="utf-8")
    definition = AgentDefinition.model_validate(yaml.safe_load(text))

    assert [(use.name, config_faults(use.name, use.config)) for use in definition.tools] == [
        ("web_search", ()),
        ("document_analyzer", ()),
    ]


@pytest.mark.parametrize(
    ("tool", "config", "faulty"),
    [
        ("web_search", {}, []),
        ("web_search", {"max_results": 10}, []),
        ("web_search", {"max_results": 50}, []),
        ("web_search", {"max_results": 51}, ["max_results"]),
        ("web_search", {"max_results": 0}, ["max_results"]),
        ("web_search", {"max_results": "10"}, ["max_results"]),
        ("web_search", {"max_results": True}, ["max_results"]),
        ("web_search", {"max_result": 10, "max_results": 0}, ["max_results", "max_result"]),
        ("document_analyzer", {}, []),
        ("knowledge", {"collections": ["handbook"], "max_passages": 3}, []),
        ("knowledge", {}, ["collections"]),
        ("knowledge", {"collections": []}, ["collections"]),
        ("knowledge", {"collections": "handbook"}, ["collections"]),
        ("file_read", {"root": "/"}, ["root"]),
    ],
)
def test_configuration_is_checked_strictly(tool: str, config: dict[str, Any], faulty: list[str]) -> None:
    assert [fault.path for fault in config_faults(tool, config)] == faulty


@pytest.mark.parametrize(
    ("tool", "arguments", "faulty"),
    [
        ("file_read", {"path": "a.txt"}, []),
        ("file_read", {"path": "a.txt", "start_line": "3", "end_line": None}, []),
        ("file_read", {"path": "", "start_line": 0}, ["path", "start_line"]),
        ("file_read", {}, ["path"]),
        ("file_write", {"path": "a.txt"}, ["content"]),
        ("find", {}, []),
        ("find", {"limit": 1001}, ["limit"]),
        ("grep", {"pattern": "x" * 1001}, ["pattern"]),
        ("web_search", {"query": 3}, ["query"]),
        ("web_search", {"query": "\ud800"}, ["query"]),
        ("diff", {"path": "a", "other": "b"}, ["other"]),
    ],
)
def test_arguments_are_read_leniently_and_every_fault_is_named(
    tool: str, arguments: dict[str, Any], faulty: list[str]
) -> None:
    assert [fault.path for fault in argument_faults(tool, arguments)] == faulty


def test_an_unknown_argument_is_answered_with_the_known_ones() -> None:
    (fault,) = argument_faults("find", {"pattern": "*"})

    assert fault.path == "pattern"
    assert fault.suggestion == "Known: glob, limit."


def test_a_fault_can_be_sent_as_json_whatever_the_argument_was_called() -> None:
    faults = argument_faults("find", {"\udc00": 1})

    assert faults
    assert all(f"{fault.path}{fault.reason}".encode() for fault in faults)
