"""The command `scripts/bench`."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from scripts.local.bench import cold_starts, engine_costs, live_stack
from scripts.local.bench.figures import Figure, show, write
from scripts.local.paths import LOCAL

_DESCRIPTION = """\
Measures Fireloom on this machine and prints one table. Times are only comparable within one run: most figures are
ratios, and a busy machine makes them worse. Marks that are not kept are red; the exit code is 0 all the same, for
this is no test.
"""
_RESULTS = LOCAL / "bench.json"
_QUESTIONS: dict[str, Callable[[int], list[Figure]]] = {
    "cold": cold_starts.measure,
    "engine": lambda rounds: asyncio.run(engine_costs.measure(rounds)),
    "stack": lambda rounds: asyncio.run(live_stack.measure(rounds)),
}


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("question", nargs="*", metavar="QUESTION", help="cold, engine, stack; all if none is named")
    parser.add_argument("--rounds", type=int, default=5, help="how often each thing is measured (5); medians are shown")
    parser.add_argument("--json", type=Path, default=_RESULTS, help="where the figures are written as JSON")
    arguments = parser.parse_args()
    unknown = [question for question in arguments.question if question not in _QUESTIONS]
    if unknown:
        parser.error(f"no question {unknown[0]!r}; there are {', '.join(_QUESTIONS)}")
    console = Console(width=None if sys.stdout.isatty() else 140)
    figures: list[Figure] = []
    for question in arguments.question or _QUESTIONS:
        began = time.perf_counter()
        with console.status(f"measuring: {question}"):
            figures += _QUESTIONS[question](arguments.rounds)
        console.print(f"{question}: {time.perf_counter() - began:.0f} s", style="dim")
    show(console, figures)
    facts = {"python": platform.python_version(), "cores": os.cpu_count(), "load": os.getloadavg(), "at": time.time()}
    write(arguments.json, figures, facts)
    console.print(f"written to {arguments.json}", style="dim")


if __name__ == "__main__":
    main()
