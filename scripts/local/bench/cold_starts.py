"""Cold starts: from the start of a staged function's process to its first 200 on /health, against an empty function."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from scripts.local.bench.figures import TIMES, Figure
from scripts.local.environment import Ports, StackSettings
from scripts.local.processes import HOST, Program, free_port
from scripts.local.staging import environment, function_names, stage

_EMPTY = """
import functions_framework.aio
from starlette.responses import PlainTextResponse

@functions_framework.aio.http
async def empty(request):
    return PlainTextResponse("ok")
"""
_PROVIDERS = {
    "google": "import pydantic_ai.models.google, pydantic_ai.providers.google",
    "anthropic": "import pydantic_ai.models.anthropic, pydantic_ai.providers.anthropic",
}
_API_MARK = 3.3
_MARKS = {"google": 6.0, "anthropic": 9.0}
_MIB = 1 << 20
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class _Subject:
    """A source to start: its name, the function whose environment it runs in, and its folder."""

    name: str
    function: str
    target: str
    source: Path
    mark: float | None


def measure(rounds: int) -> list[Figure]:
    """Start each function `rounds` times, in turns with the empty one."""
    with tempfile.TemporaryDirectory() as folder:
        subjects = list(_subjects(Path(folder)))
        times: dict[str, list[float]] = {subject.name: [] for subject in subjects}
        peaks: dict[str, list[float]] = {subject.name: [] for subject in subjects}
        for _ in range(rounds):
            for subject in subjects:
                seconds, peak = _start(subject, Path(folder))
                times[subject.name].append(seconds)
                peaks[subject.name].append(peak)
    empty = statistics.median(times["empty"])
    figures = [
        Figure("cold start", "empty", empty * 1000, "ms", note=f"{statistics.median(peaks['empty']):.0f} MiB peak")
    ]
    for subject in subjects[1:]:
        ratio = statistics.median(times[subject.name]) / empty
        note = f"{statistics.median(peaks[subject.name]):.0f} MiB peak, median of {rounds}"
        figures.append(Figure("cold start", subject.name, ratio, TIMES, subject.mark, note))
    return figures


def _subjects(folder: Path) -> Iterator[_Subject]:
    empty = folder / "empty"
    empty.mkdir()
    (empty / "main.py").write_text(_EMPTY)
    yield _Subject("empty", "sweeper", "empty", empty / "main.py", None)
    for name in function_names():
        source = stage(name, folder / "staged")
        if name not in {"worker", "chat"}:
            yield _Subject(name, name, name, source / "main.py", _API_MARK)
            continue
        for provider, imports in _PROVIDERS.items():
            copy = folder / f"{name}-{provider}"
            shutil.copytree(source, copy)
            entry = copy / "main.py"
            entry.write_text(f"{imports}\n{entry.read_text()}")
            yield _Subject(f"{name} with {provider}", name, name, entry, _MARKS[provider])


def _start(subject: _Subject, folder: Path) -> tuple[float, float]:
    """Seconds to the first answer, and the peak memory of the process and its children, in MiB."""
    port = free_port()
    command = str(environment(subject.function) / "bin" / "functions-framework")
    settings = StackSettings(Ports.free(), logs=folder / "logs", staged=True)
    began = time.perf_counter()
    program = Program(
        subject.name,
        [command, f"--target={subject.target}", f"--source={subject.source}", f"--host={HOST}", f"--port={port}"],
        env={**settings.function_environment(subject.function), "PYTHONDONTWRITEBYTECODE": ""},
        log=folder / "logs" / f"{subject.name}.log",
    )
    try:
        _wait(f"http://{HOST}:{port}/health", began)
        return time.perf_counter() - began, _peak(program.pid)
    finally:
        program.stop()


def _wait(url: str, began: float) -> None:
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - always a loopback address
                return
        except (urllib.error.URLError, ConnectionError):
            if time.perf_counter() - began > _SECONDS:
                raise
            time.sleep(0.005)


def _peak(pid: int) -> float:
    process = psutil.Process(pid)
    return sum(_peak_bytes(one.pid) for one in (process, *process.children(recursive=True))) / _MIB


def _peak_bytes(pid: int) -> int:
    """The peak resident memory, where the system tells it; else the present one."""
    status = Path(f"/proc/{pid}/status")
    if os.name == "posix" and status.is_file():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) * 1024
    return int(psutil.Process(pid).memory_info().rss)
