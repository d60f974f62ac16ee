"""How long each staged function takes from the start of its process to its first answer, against an empty one."""

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

from scripts.local.bench_figures import Figure
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
    """One cold start: seconds to the first 200, and the most memory its processes took."""

    seconds: float
    peak_bytes: int


def cold_starts(repeat: int) -> list[Figure]:
    """Start all of them in turn, so that what else the machine does falls on all alike."""
    sources = [_empty(), *_staged()]
    for source in sources:
        _start(source)  # the first start compiles what was staged
    starts: dict[str, list[Start]] = {source.label: [] for source in sources}
    for _ in range(repeat):
        for source in sources:
            starts[source.label].append(_start(source))
    base = statistics.median(start.seconds for start in starts["empty"])
    return [figure for source in sources for figure in _figures(source, starts[source.label], base)]


def _figures(source: Source, starts: list[Start], base: float) -> Iterator[Figure]:
    ratios = sorted(start.seconds / base for start in starts)
    value = statistics.median(ratios)
    yield Figure(f"cold start, {source.label}", value, "x empty", (ratios[0], ratios[-1]), source.mark)
    peak = statistics.median(start.peak_bytes for start in starts) / _MEBIBYTE
    yield Figure(f"peak memory, {source.label}", peak, "MB")


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
            (copy / "main.py").write_text(f"import {module}\n{(folder / 'main.py').read_text()}")
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
        return Start(seconds, _peak(process.pid))
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


def _peak(pid: int) -> int:
    """The most memory that a process and its children had at once; where the system does not tell, what they have."""
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(_high_water(process) for process in processes)


def _high_water(process: psutil.Process) -> int:
    status = Path(f"/proc/{process.pid}/status")
    if os.name != "posix" or not status.is_file():
        return process.memory_info().rss
    kibibytes = next(line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(kibibytes) * 1024
