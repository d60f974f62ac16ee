"""How long each staged function takes from the start of its process to its first answer, against an empty one.

Each start is compared with one of the empty function just before it, so what else the machine does falls on both. The
marks are for the median of those ratios of wall time. The ratio of the least processor times is told beside it: where
the two differ much, the machine was busy, or something waits. Peak memory is told in MB, and as the
ratio of the same pairs.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.local.bench_figures import Figure, median_figure
from scripts.local.environment import Ports, StackSettings
from scripts.local.paths import BUILD
from scripts.local.processes import HOST, NotReady, free_port
from scripts.local.staging import environment, function_names, stage

_EMPTY = """\
import functions_framework.aio


@functions_framework.aio.http
async def empty(request):
    return "ok"
"""
_PROVIDERS = {"google": "pydantic_ai.models.google", "anthropic": "pydantic_ai.models.anthropic"}
_WITH_PROVIDERS = ("worker", "chat")
_API_MARK = 3.3
_MARKS = {"google": 6.0, "anthropic": 9.0}
_REQUEST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_SECONDS = 60
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """A function to start: what the table calls it, its target, its folder, its environment, and its mark."""

    label: str
    target: str
    folder: Path
    command: Path
    environ: Mapping[str, str]
    mark: float | None


@dataclass(frozen=True, slots=True)
class Start:
    """One cold start: seconds to the first 200, those of the processor among them, and the most memory it took."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A start, and one of the empty function just before it."""

    empty: Start
    start: Start


def cold_starts(repeat: int) -> list[Figure]:
    """Start all of them in turn, each after the empty one."""
    empty, sources = _empty(), list(_staged())
    for source in (empty, *sources):
        _start(source)  # the first start compiles what was staged
    pairs: dict[str, list[Pair]] = {source.label: [] for source in sources}
    for _ in range(repeat):
        for source in sources:
            pairs[source.label].append(Pair(_start(empty), _start(source)))
    empties = [pair.empty for measured in pairs.values() for pair in measured]
    return [
        median_figure("cold start, empty", [start.seconds * 1000 for start in empties], "ms"),
        _peak_figure(empty, empties),
        *(figure for source in sources for figure in _figures(source, pairs[source.label])),
    ]


def _figures(source: Source, pairs: list[Pair]) -> Iterator[Figure]:
    starts = [pair.start for pair in pairs]
    ratios = [pair.start.seconds / pair.empty.seconds for pair in pairs]
    yield median_figure(f"cold start, {source.label}", ratios, "x empty", source.mark)
    cpu = min(start.cpu_seconds for start in starts) / min(pair.empty.cpu_seconds for pair in pairs)
    yield Figure(f"cold start by processor time, {source.label}", cpu, "x empty")
    yield _peak_figure(source, starts)
    peaks = [pair.start.peak_bytes / pair.empty.peak_bytes for pair in pairs]
    yield median_figure(f"peak memory as a ratio, {source.label}", peaks, "x empty")


def _peak_figure(source: Source, starts: list[Start]) -> Figure:
    return Figure(f"peak memory, {source.label}", statistics.median(it.peak_bytes for it in starts) / _MEBIBYTE, "MB")


def _empty() -> Source:
    folder = BUILD / "bench" / "empty"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.py").write_text(_EMPTY)
    return Source("empty", "empty", folder, _framework("agents"), _settings().function_environment("agents"), None)


def _staged() -> Iterator[Source]:
    settings = _settings()
    for name in function_names():
        folder = stage(name, BUILD / "bench")
        environ = settings.function_environment(name)
        mark = None if name in _WITH_PROVIDERS else _API_MARK
        yield Source(name, name, folder, _framework(name), environ, mark)
        for provider, module in _PROVIDERS.items() if name in _WITH_PROVIDERS else ():
            copy = BUILD / "bench" / f"{name}-{provider}"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(folder, copy)
            # After our own, as in production, where the first definition that names a provider has it imported.
            (copy / "main.py").write_text(f"{(folder / 'main.py').read_text()}import {module}\n")
            yield Source(f"{name} + {provider}", name, copy, _framework(name), environ, _MARKS[provider])


def _settings() -> StackSettings:
    return StackSettings(Ports.free(), staged=True)


def _framework(name: str) -> Path:
    return environment(name) / "bin" / "functions-framework"


def _start(source: Source) -> Start:
    port = free_port()
    command = [str(source.command), f"--target={source.target}", f"--source={source.folder / 'main.py'}"]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [*command, f"--host={HOST}", f"--port={port}"],
        env=dict(source.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - begun > _SECONDS:
                raise NotReady(f"{source.label} did not start")
            time.sleep(0.005)
        seconds = time.perf_counter() - begun
        processes = [(parent := psutil.Process(process.pid)), *parent.children(recursive=True)]
        cpu_seconds = sum(times.user + times.system for times in (each.cpu_times() for each in processes))
        return Start(seconds, cpu_seconds, sum(_high_water(each) for each in processes))
    finally:
        process.terminate()
        process.wait()


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(_REQUEST)
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def _high_water(process: psutil.Process) -> int:
    """The most memory that a process had at once; where the system does not tell, what it has."""
    status = Path(f"/proc/{process.pid}/status")
    if os.name != "posix" or not status.is_file():
        return process.memory_info().rss
    kibibytes = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) * 1024
