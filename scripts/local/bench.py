"""The command `scripts/bench`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from scripts.local.bench_agents import agent_figures
from scripts.local.bench_cold import cold_starts
from scripts.local.bench_engine import engine_figures
from scripts.local.bench_figures import Figure, figure_json, figure_table
from scripts.local.bench_graph_parts import Wanted, graph_figures
from scripts.local.bench_stack import first_words
from scripts.local.environment import Ports, StackSettings
from scripts.local.paths import LOCAL
from scripts.local.processes import HOST, NotReady, PortTaken, free_port
from scripts.local.programs import ProgramMissing
from scripts.local.stack import Stack

_DESCRIPTION = """\
Measures Fireloom on this machine: the staged functions' cold starts, the time to the first visible word, what a graph
costs per node, the operations on Firestore, and what agents cost as data: to judge a definition of 200 nodes, to build
an agent of its definition, to create, update and list agents. `peers` lets LangGraph and DBOS, each on Postgres, run
the same graphs in the same run; it is not among the parts that are measured when none is named, because it installs
them. Compare figures of one run only: they depend on the machine, and the emulators are not Firestore. Marks are goals,
not tests.
"""
_WIDTH = 120
_PARTS = ("cold", "words", "graphs", "engine", "agents")
_ON_REQUEST = ("peers",)


def main() -> None:
    """Measure, print one table, and write the same as JSON."""
    arguments = _parser().parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=_WIDTH)
    parts = tuple(arguments.part) or _PARTS
    if unknown := set(parts) - {*_PARTS, *_ON_REQUEST}:
        sys.exit(f"bench: no part {', '.join(sorted(unknown))}; there are {', '.join((*_PARTS, *_ON_REQUEST))}")
    try:
        figures = list(_measure(parts, arguments.repeat, console))
    except (NotReady, PortTaken, ProgramMissing, RuntimeError) as error:
        sys.exit(f"bench: {error}")
    console.print(figure_table(figures))
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        "load": os.getloadavg(),
        "figures": figure_json(figures),
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", "utf-8")
    console.print(f"written to {arguments.json}", style="dim")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=_DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="*", help=f"{', '.join(_PARTS)}, peers; all but peers if none is given")
    parser.add_argument("--repeat", type=int, default=5, help="measure so often, and take the median; default 5")
    parser.add_argument("--json", type=Path, default=LOCAL / "bench.json", help="default .local/bench.json")
    return parser


def _measure(parts: tuple[str, ...], repeat: int, console: Console) -> Iterator[Figure]:
    if "cold" in parts:
        console.print("cold starts …", style="dim")
        yield from cold_starts(repeat)
    if set(parts) == {"cold"}:
        return
    console.print("starting the staged stack …", style="dim")
    pauses = free_port()
    reachable = {"FIRELOOM_EGRESS_LOOPBACK": f"{HOST}:{pauses}"}
    settings = StackSettings(Ports.free(), logs=LOCAL / "bench" / "logs", staged=True, extra=reachable)
    wanted = Wanted(own="graphs" in parts, peers="peers" in parts, pauses=pauses, say=_saying(console))
    measures: dict[str, Callable[[Stack], list[Figure]]] = {
        "words": lambda stack: asyncio.run(first_words(stack, repeat)),
        "graphs": lambda stack: asyncio.run(graph_figures(stack, max(repeat // 2, 1), wanted)),
        "engine": lambda stack: asyncio.run(engine_figures(stack.settings, repeat)),
        "agents": lambda stack: asyncio.run(agent_figures(stack.settings, repeat)),
    }
    with Stack(settings) as stack:
        for part in _PARTS[1:]:
            if part in parts or (part == "graphs" and wanted.peers):
                console.print(f"{part} …", style="dim")
                yield from measures[part](stack)


def _saying(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(f"  {text}", style="dim")


if __name__ == "__main__":
    main()
