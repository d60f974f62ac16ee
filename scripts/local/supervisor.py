"""Keeps the stack of ``scripts/up`` running: reloads what changed, ticks the sweeper, stops all.

It is started by ``scripts.local.up`` and says on its first line of output how the start went.
"""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType

import httpx
import psutil
from watchfiles import Change, awatch  # pyright: ignore[reportUnknownVariableType] - trio is not installed

from scripts.local.environment import Ports, StackSettings
from scripts.local.paths import LOCAL, ROOT, STATE
from scripts.local.processes import NotReady, PortTaken
from scripts.local.programs import ProgramMissing
from scripts.local.schedule import sweep
from scripts.local.seed import SeedRefused, seed
from scripts.local.stack import Stack
from scripts.local.staging import function_names

_TICK_SECONDS = 10
_DEBOUNCE_MILLISECONDS = 300
_WATCHED = ("functions", "shared")


async def supervise(stack: Stack) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    ticking = asyncio.create_task(tick(stack))
    await reload(stack, stopping)
    ticking.cancel()


async def reload(stack: Stack, stopping: asyncio.Event) -> None:
    """Restart the functions whose code changes, until told to stop."""
    folders = [ROOT / folder for folder in _WATCHED]
    async for changes in awatch(*folders, debounce=_DEBOUNCE_MILLISECONDS, stop_event=stopping):
        names = affected_functions(changes)
        started = time.monotonic()
        try:
            stack.restart_functions(names)
        except NotReady as error:
            log(f"{error}\nwaiting for the next change")
        else:
            log(f"reloaded {', '.join(names)} in {time.monotonic() - started:.1f} s")
        remember(stack)


def affected_functions(changes: set[tuple[Change, str]]) -> tuple[str, ...]:
    """The functions that a set of changed files concerns: its own, or all for a shared file."""
    folders = {Path(path).relative_to(ROOT).parts[:2] for _, path in changes}
    names = tuple(name for name in function_names() if ("functions", name) in folders)
    return function_names() if any(parts[0] == "shared" for parts in folders) else names


async def tick(stack: Stack) -> None:
    """Call the sweeper every ten seconds, and log whatever is not as it was."""
    previous = ""
    while True:
        await asyncio.sleep(_TICK_SECONDS)
        try:
            answer = await sweep(stack.settings)
            outcome = f"{answer.status_code}" + ("" if answer.is_success else f" {answer.text}")
        except httpx.HTTPError as error:
            outcome = repr(error)
        if outcome != previous:
            log(f"sweeper: {outcome}")
        previous = outcome


def remember(stack: Stack) -> None:
    """Write down what runs, for ``scripts/down`` should this process be lost."""
    state = {
        "supervisor": identify(os.getpid()),
        "programs": [identify(program.pid) for program in stack.programs if program.running],
    }
    STATE.write_text(json.dumps(state))


def identify(pid: int) -> tuple[int, float]:
    """A process id with its start time, which tells it from a later process of the same id."""
    return pid, psutil.Process(pid).create_time()


def log(message: str) -> None:
    """Write a line to the supervisor's log."""
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def main() -> None:
    """Start, report the outcome as one JSON line, and supervise."""
    LOCAL.mkdir(exist_ok=True)
    settings = StackSettings(Ports.from_environment(os.environ), providers=True)
    stack = Stack(settings)
    # Until the loop takes the signals over, they interrupt the start, which cleans up.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with stack:
            people = seed(stack)
            remember(stack)
            _report({"api": stack.api, "people": people})
            asyncio.run(supervise(stack))
    except (NotReady, PortTaken, ProgramMissing, SeedRefused) as error:
        _report({"error": str(error)})
        raise SystemExit(1) from error
    finally:
        STATE.unlink(missing_ok=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)


def _report(outcome: dict[str, object]) -> None:
    """Answer whoever started this, and leave the pipe."""
    print(json.dumps(outcome), flush=True)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())


if __name__ == "__main__":
    main()
