"""A measured figure, and how many of them are shown."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Args:
        name: what was measured.
        value: the median, where it was measured more than once.
        unit: `ms`, `x` (a ratio), `MB`, or what was counted.
        spread: the least and the greatest of the measurements.
        mark: the most that it should be.
    """

    name: str
    value: float
    unit: str
    spread: tuple[float, float] | None = None
    mark: float | None = None

    @property
    def passes(self) -> bool | None:
        """Whether it is within its mark; None where there is none."""
        return None if self.mark is None else self.value <= self.mark


def median_figure(name: str, values: Sequence[float], unit: str, mark: float | None = None) -> Figure:
    """The median of several measurements."""
    return Figure(name, statistics.median(values), unit, (min(values), max(values)), mark)


def figure_table(figures: Sequence[Figure]) -> Table:
    """All figures, for people."""
    table = Table(title="Fireloom on this machine", title_justify="left")
    table.add_column("figure", no_wrap=True)
    for column in ("value", "unit", "least", "greatest", "mark", ""):
        table.add_column(column, justify="left" if column in {"unit", ""} else "right")
    for figure in figures:
        least, greatest = (_number(bound) for bound in figure.spread) if figure.spread else ("", "")
        verdict = {None: "", True: "[green]ok[/green]", False: "[red]over[/red]"}[figure.passes]
        mark = "" if figure.mark is None else f"≤ {_number(figure.mark)}"
        table.add_row(figure.name, _number(figure.value), figure.unit, least, greatest, mark, verdict)
    return table


def figure_json(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """All figures, for programs."""
    return [{**asdict(figure), "passes": figure.passes} for figure in figures]


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.3g}" if value < 1 else f"{value:.2f}"
