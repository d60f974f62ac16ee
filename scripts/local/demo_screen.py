"""What the demo shows: an answer as it streams, and a graph's nodes as they run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from scripts.local.run_view import NodeView, RunView, SessionView
from shared.domain.plans import END

_STYLES = {
    "running": "yellow",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
    "waiting": "cyan",
    "paused": "cyan",
}
_ROWS_KEPT_FREE = 8
_LONGEST_LABEL = 60


class Speech:
    """Prints a turn's answer as it grows."""

    def __init__(self, console: Console, run_id: str) -> None:
        """Print the answers of one run."""
        self._console = console
        self._run_id = run_id
        self._printed = ""

    def show(self, view: SessionView) -> bool:
        """Print what is new; True once the turn is complete."""
        events = [event for event in view.log if event["run_id"] == self._run_id]
        said = [_said(event) for event in events if event["author"] == "agent"]
        live = [view.live_text] if view.run_id == self._run_id and view.live_text else []
        text = "\n".join([*said, *live])
        complete = any(event["turn_complete"] for event in events)
        if self._printed.startswith(text) and not complete:
            return False  # nothing new, or another try that has come as far as this
        if not text.startswith(self._printed):
            self._console.print("\n[dim](the answer starts again: another worker took over)[/dim]")
            self._printed = ""
        # Text of a model: never markup, and never wrapped while it grows.
        self._console.print(Text(text[len(self._printed) :]), end="", soft_wrap=True)
        self._printed = text
        if complete:
            self._console.print()
        return complete


def _said(event: Mapping[str, Any]) -> str:
    calls = [call["name"] for call in event["content"].get("calls", ())]
    return str(event["content"].get("text", "")) + (f"\n(calls {', '.join(calls)})" if calls else "")


def turn_error(view: SessionView, run_id: str) -> str | None:
    """Why a turn failed, if it did."""
    failed = [event for event in view.log if event["run_id"] == run_id and event["error_code"]]
    return f"{failed[-1]['error_code']}: {failed[-1]['error_message']}" if failed else None


def node_table(view: RunView, height: int) -> Table:
    """The author's nodes that were heard of: those that run first, as many as fit into `height` lines."""
    table = Table(title=f"run {view.state}", title_justify="left", expand=False)
    for title, justify in (("node", "left"), ("state", "left"), ("attempt", "right"), ("time", "right")):
        table.add_column(title, justify="right" if justify == "right" else "left")
    table.add_column("cost", justify="right")
    nodes = sorted((node for node in view.nodes.values() if node.fields.get("node") != END), key=_interest)
    room = max(height - _ROWS_KEPT_FREE, 3)
    for node in sorted(nodes[:room], key=_began):
        table.add_row(*row_of(node))
    if len(nodes) > room:
        table.add_row(f"… and {len(nodes) - room} more", "", "", "", "", style="dim")
    return table


def row_of(node: NodeView) -> tuple[Text, Text, str, str, str]:
    """A node's label, state, attempt, time and cost."""
    fields = node.fields
    item = fields.get("item")
    label = f"{fields.get('node', '?')}" + (f" · {item}" if item else "")
    if len(label) > _LONGEST_LABEL:
        label = f"{label[: _LONGEST_LABEL - 1]}…"
    state = Text(node.state, style=_STYLES.get(node.state, ""))
    cost = cost_of(fields.get("usage"))
    return Text(label), state, str(fields.get("attempt", "")), f"{seconds_of(fields):.1f} s", cost


def seconds_of(fields: Mapping[str, Any]) -> float:
    """How long a node or a run has taken so far, or took."""
    started = fields.get("started_at") or fields.get("created_at")
    if started is None:
        return 0.0
    ended = fields.get("completed_at") or datetime.now(UTC)
    return max((ended - started).total_seconds(), 0.0)


def cost_of(usage: Mapping[str, Any] | None) -> str:
    """A price in US dollars; a question mark where a model's price is not known."""
    micros = (usage or {}).get("cost_usd_micros", 0)
    return "?" if micros is None else f"${micros / 1_000_000:.4f}"


def _interest(node: NodeView) -> tuple[int, float]:
    """What runs comes first, then what failed, then what ended last."""
    rank = {"running": 0, "failed": 1, "waiting": 2}.get(node.state, 3)
    ended = node.fields.get("completed_at")
    return rank, -(ended.timestamp() if ended else 0.0)


def _began(node: NodeView) -> datetime:
    return node.fields.get("created_at") or datetime.max.replace(tzinfo=UTC)
