"""What a listener makes of a node's documents, held to the table that it shares with the web client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts.local.run_view import NodeView, SessionView

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


class Counted(dict[str, Any]):
    """An event that counts how often it is looked at."""

    looked = 0

    def __getitem__(self, name: str) -> Any:
        Counted.looked += name == "run_id"
        return super().__getitem__(name)


def test_the_work_for_an_event_does_not_grow_with_the_log_before_it() -> None:
    view = SessionView()
    turns, per_turn = 500, 4
    Counted.looked = 0
    for seq in range(1, turns * per_turn + 1):
        metadata = {"instance": "main~0", "step": seq % per_turn}
        run, ends = f"r{-(-seq // per_turn)}", seq % per_turn == 0
        said = {"author": "agent", "content": {"text": "Hi"}, "metadata": metadata, "turn_complete": ends}
        view.take(Counted({"seq": seq, "run_id": run, **said}))
    assert len(view.log) == turns * per_turn
    assert Counted.looked <= 10 * turns * per_turn
