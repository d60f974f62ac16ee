"""What a listener makes of a node's documents, held to the table that it shares with the web client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.local.run_view import NodeView

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "data/run_view_cases.json").read_text("utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_node_is_shown_as_the_shared_table_says(case: dict[str, Any]) -> None:
    node = NodeView()
    for change in case["changes"]:
        match change["do"]:
            case "take":
                node.take(change["fields"])
            case "add":
                node.take_segments({"0": change["segment"]})
            case "settle":
                node.stream.settle(change["step"], change["text"])
            case _:
                shown = {"do": "show", "state": node.state, "text": node.text, "complete": node.stream.complete}
                assert shown == change
