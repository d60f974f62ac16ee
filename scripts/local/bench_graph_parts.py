"""The parts `graphs` and `peers`: all engines execute the same graphs, one after the other, in one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from scripts.local.bench_figures import Figure
from scripts.local.bench_graphs import (
    WIDE_JOB,
    Fireloom,
    Walls,
    floor_figures,
    measure,
    overhead_figures,
    parts_of,
    path_figure,
    processor_times,
    widest,
)
from scripts.local.bench_operations import operation_figures
from scripts.local.bench_pauses import pausing_server
from scripts.local.bench_peers import PROGRAMS, peers_environment, ratio_figures, running_peers
from scripts.local.bench_queue import queue_floor
from scripts.local.bench_stack import signed_in
from scripts.local.stack import Stack


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to measure.

    Args:
        own: the part `graphs`: what Fireloom's graphs cost.
        peers: the part `peers`: the same graphs by the peers too.
        pauses: the port of the server that nodes wait for, which the stack's tools may reach.
        say: told how far it is.
    """

    own: bool
    peers: bool
    pauses: int
    say: Callable[[str], None]


async def graph_figures(stack: Stack, repeat: int, wanted: Wanted) -> list[Figure]:
    """All figures of both parts that are wanted.

    Raises:
        PeersMissing: peers are wanted, and could not be installed.
        NotReady: a peer ended.
    """
    environment = peers_environment() if wanted.peers else None
    figures: list[Figure] = []
    async with pausing_server(wanted.pauses) as pauses:
        async with signed_in(stack) as (api, _, _, _):
            fireloom = Fireloom(api, pauses)
            walls = await measure([fireloom], repeat, wanted.say)
            figures += overhead_figures(walls, fireloom.name)
            if wanted.own:
                figures += await _own(stack, fireloom, walls, repeat, wanted.say)
        if environment is None:
            return figures
        peers: list[str] = []
        processors: list[Figure] = []
        for program in PROGRAMS:
            async with running_peers(program, environment, pauses) as engines:
                walls |= await measure(engines, repeat, wanted.say)
                peers += [engine.name for engine in engines]
                for engine in engines:
                    processors += await processor_times({f"{engine.name}, with Postgres": engine.pid}, engine.execute)
    return [
        *figures,
        *(figure for peer in peers for figure in overhead_figures(walls, peer)),
        *processors,
        *ratio_figures(walls, peers),
    ]


async def _own(stack: Stack, fireloom: Fireloom, walls: Walls, repeat: int, say: Callable[[str], None]) -> list[Figure]:
    say("the queue alone")
    figures = [path_figure(walls), *floor_figures(await queue_floor(stack, repeat))]
    parts = parts_of(stack)
    figures += await processor_times(parts, fireloom.execute)
    figures += await processor_times({"worker, 50 ms nodes": parts["worker"]}, fireloom.execute, WIDE_JOB)
    say("fan-out of 5,000")
    figures += await widest(fireloom)
    say("operations on Firestore")
    return [*figures, *await operation_figures(stack.settings)]
