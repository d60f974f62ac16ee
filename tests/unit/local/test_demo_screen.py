"""What the demo shows of a graph's nodes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from scripts.local.demo_screen import cost_of, node_table, row_of
from scripts.local.run_view import NodeView, RunView

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def node(**fields: Any) -> NodeView:
    """A node that was claimed at noon and took 2.5 seconds."""
    usual = {
        "node": "review",
        "state": "succeeded",
        "attempt": 1,
        "created_at": NOON,
        "started_at": NOON,
        "completed_at": NOON + timedelta(seconds=2.5),
        "usage": {"cost_usd_micros": 1_234},
    }
    view = NodeView()
    view.take({**usual, **fields})
    return view


def shown(view: RunView, height: int = 40) -> list[list[str]]:
    """The cells of the table's rows, as a wide terminal shows them."""
    screen = StringIO()
    Console(file=screen, width=200, no_color=True).print(node_table(view, height))
    return [[cell.strip() for cell in line.split("│")[1:-1]] for line in screen.getvalue().splitlines() if "│" in line]


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        ({"cost_usd_micros": 1_234}, "$0.0012"),
        ({"cost_usd_micros": 2_000_000}, "$2.0000"),
        ({"cost_usd_micros": 0}, "$0.0000"),
        ({"cost_usd_micros": None}, "?"),
        (None, "$0.0000"),
    ],
    ids=["cents", "dollars", "free", "of a model without a price", "nothing asked"],
)
def test_a_cost_is_in_dollars_and_a_question_mark_where_no_price_is_known(
    usage: Mapping[str, Any] | None, cost: str
) -> None:
    assert cost_of(usage) == cost


@pytest.mark.parametrize(
    ("fields", "row"),
    [
        ({}, ("review", "succeeded", "1", "2.5 s", "$0.0012")),
        ({"item": "README.md", "attempt": 2}, ("review · README.md", "succeeded", "2", "2.5 s", "$0.0012")),
        ({"state": "failed", "usage": {"cost_usd_micros": None}}, ("review", "failed", "1", "2.5 s", "?")),
        ({"item": "x" * 99}, (f"review · {'x' * 50}…", "succeeded", "1", "2.5 s", "$0.0012")),
        ({"started_at": None, "created_at": None, "usage": None}, ("review", "succeeded", "1", "0.0 s", "$0.0000")),
    ],
    ids=["a node", "of an item, taken over", "of unknown price", "with a long item", "not begun"],
)
def test_a_row_has_state_attempt_time_and_cost(fields: Mapping[str, Any], row: tuple[str, ...]) -> None:
    assert tuple(map(str, row_of(node(**fields)))) == row


def test_the_table_has_a_row_for_each_node_of_the_author_s_in_the_order_of_their_beginnings() -> None:
    view = RunView(fields={"state": "running"})
    view.nodes = {
        "b~0": node(node="write", created_at=NOON + timedelta(seconds=3)),
        "a~0": node(node="files", usage=None),
        "c~0": NodeView(),
        "$end~0": node(node="$end"),
    }

    assert shown(view) == [
        ["files", "succeeded", "1", "2.5 s", "$0.0000"],
        ["write", "succeeded", "1", "2.5 s", "$0.0012"],
        ["?", "pending", "", "0.0 s", "$0.0000"],
    ]


def test_a_low_terminal_shows_what_runs_then_what_failed_and_counts_the_rest() -> None:
    view = RunView(fields={"state": "running"})
    view.nodes = {f"{number:02}": node(node=f"done {number}") for number in range(9)}
    view.nodes |= {"f": node(node="broken", state="failed"), "r": node(node="at work", state="running")}

    names = [row[0] for row in shown(view, height=11)]

    assert {"broken", "at work"} <= set(names)
    assert (len(names), names[-1]) == (4, "… and 8 more")
