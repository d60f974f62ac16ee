"""Figures: what was measured, and how it stands to its mark."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

TIMES = "times"
"""The unit of a ratio."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Args:
        group: the question.
        name: what was measured.
        value: the figure, mostly a ratio within this run.
        unit: what it counts; TIMES for a ratio.
        mark: the most that it may be; None where there is no mark.
        note: how it came about.
    """

    group: str
    name: str
    value: float
    unit: str
    mark: float | None = None
    note: str = ""

    @property
    def is_kept(self) -> bool:
        """Whether the figure keeps its mark."""
        return self.mark is None or self.value <= self.mark


def show(console: Console, figures: list[Figure]) -> None:
    """Print the table."""
    table = Table(title="Fireloom, measured")
    for column in ("question", "what", "figure", "mark", "how"):
        table.add_column(column, justify="right" if column in {"figure", "mark"} else "left")
    before = ""
    for figure in figures:
        mark = "" if figure.mark is None else f"≤ {figure.mark:g}"
        style = None if figure.is_kept else "red"
        group = "" if figure.group == before else figure.group
        before = figure.group
        table.add_row(group, figure.name, f"{figure.value:,.2f} {figure.unit}", mark, figure.note, style=style)
    console.print(table)


def write(path: Path, figures: list[Figure], facts: dict[str, Any]) -> None:
    """Write the same as JSON, with the facts of the machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{**asdict(figure), "is_kept": figure.is_kept} for figure in figures]
    path.write_text(json.dumps({"facts": facts, "figures": lines}, indent=2, ensure_ascii=False) + "\n")
