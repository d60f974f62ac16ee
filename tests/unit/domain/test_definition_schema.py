"""The published JSON Schema: current, and in agreement with what is accepted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from scripts.local.agent_schema import FILE, render
from shared.domain.definition_faults import inspect_definition
from shared.domain.definition_schema import definition_schema

ROOT = Path(__file__).parents[3]
FILES = [ROOT / "tests/data/research-agent.yaml", *sorted((ROOT / "scripts/local/seeds").glob("*.yaml"))]
HELPER: dict[str, Any] = {"name": "helper", "model": "local:extractive"}
JUDGE: Any = jsonschema.Draft202012Validator(definition_schema())


def test_the_file_in_the_repository_is_current() -> None:
    assert FILE.read_text("utf-8") == render(), "run: python -m scripts.local.agent_schema"


def test_the_schema_is_one() -> None:
    validator: Any = jsonschema.Draft202012Validator
    validator.check_schema(definition_schema())
    assert json.loads(render())["$id"] == "urn:fireloom:agent-definition:1"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_example_fits_it(file: Path) -> None:
    assert list(JUDGE.iter_errors(yaml.safe_load(file.read_text()))) == []


@pytest.mark.parametrize(
    ("fields", "fits"),
    [
        ({}, True),
        ({"schema_version": 1}, True),
        ({"model": "default"}, True),
        ({"model": {"provider": "default"}}, True),
        ({"model": {"provider": "vertex-anthropic", "model": "claude-sonnet-5-5"}}, True),
        ({"tools": ["grep", {"name": "find", "enabled": False}]}, True),
        ({"input_schema": {"type": "object"}, "prompt": "{{ input }}"}, True),
        ({"model": "googel:gemini"}, False),
        ({"model": 5}, False),
        ({"nam": 1}, False),
        ({"name": "Not a name"}, False),
        ({"limits": {"seconds": 0}}, False),
        ({"schema_version": 2}, False),
    ],
)
def test_it_agrees_with_what_is_accepted(fields: dict[str, Any], fits: bool) -> None:  # noqa: FBT001 - a table
    raw = {**HELPER, **fields}
    assert (inspect_definition(raw)[1] == ()) is fits
    assert JUDGE.is_valid(raw) is fits
