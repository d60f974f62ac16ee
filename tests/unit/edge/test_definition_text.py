"""Definitions as files: what is written reads back the same, and what is wrong is found by line and column."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import Fault, InvalidArgument
from shared.edge.definition_body import parse_body
from shared.edge.definition_places import place_faults
from shared.edge.definition_text import write_yaml

RESEARCH_AGENT = (Path(__file__).parents[2] / "data" / "research-agent.yaml").read_bytes()

TEXTS = st.text(
    st.characters(blacklist_categories=("Cs",)) | st.sampled_from("\n \t:#-'\"&*!|>%@`{}[],?~0x1e."), max_size=12
) | st.sampled_from(["no", "on", "y", "null", "~", "", "0o17", "0x1F", "1e3", "1_000", "1:30", "2026-01-01", "=", "<<"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_written_reads_back_the_same(value: Any) -> None:
    text = write_yaml({"value": value})
    read = parse_body(text.encode(), "application/yaml")
    assert read == {"value": value}
    assert write_yaml(read) == text


def test_the_first_users_file_keeps_its_order_and_its_long_texts() -> None:
    text = write_yaml(parse_body(RESEARCH_AGENT, "application/yaml"))
    lines = text.splitlines()
    assert lines[:2] == ["name: custom_research_agent", "display_name: Custom Research Agent"]
    assert "version: 1.0.0" in lines
    assert "system_prompt: |" in lines


def test_a_value_that_comes_twice_is_written_twice() -> None:
    shared = {"a": [1]}
    assert write_yaml({"x": shared, "y": shared}) == "x:\n  a:\n  - 1\ny:\n  a:\n  - 1\n"


BODY = b"""# an agent
name: helper
model:
  provider: local
tools:
  - grep
  - name: greb
    config: {max: 1}
graph: {nodes: {a: {kind: agent}}}
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("name", 2, 1),
        ("model.provider", 4, 3),
        ("model.model", 3, 1),
        ("tools.0", 6, 5),
        ("tools.1", 7, 5),
        ("tools.1.name", 7, 5),
        ("tools.1.config.max", 8, 14),
        ("graph.nodes.a.prompt", 9, 17),
        ("version", 2, 1),
        ("", 2, 1),
    ],
)
def test_a_fault_stands_where_its_key_or_what_lacks_it_begins(path: str, line: int, column: int) -> None:
    (found,) = place_faults(BODY, [Fault(path, "is wrong")])
    assert (found.line, found.column) == (line, column)


def test_json_has_lines_too() -> None:
    (found,) = place_faults(b'{"name": "x",\n  "tools": ["greb"]}', [Fault("tools.0", "no tool")])
    assert (found.line, found.column) == (2, 13)


@pytest.mark.parametrize("body", [b"\xff", b"a: [", b"", b"\t{}"])
def test_what_cannot_be_read_has_no_places(body: bytes) -> None:
    (found,) = place_faults(body, [Fault("a", "is wrong")])
    assert (found.path, found.line) == ("a", None)


def test_a_body_that_is_not_well_formed_says_where() -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_body(b"a: 1\na: 2", "application/yaml")
    (fault,) = refused.value.faults
    assert (fault.line, fault.column) == (2, 1)
