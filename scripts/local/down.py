"""Stops exactly what ``scripts/up`` started."""

import argparse
import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psutil

from scripts.local.paths import STATE

_PATIENCE_SECONDS = 30


def supervisor_process() -> psutil.Process | None:
    """The supervisor that ``scripts/up`` started, if it still runs."""
    state = _read_state()
    return _same_process(*state["supervisor"]) if state else None


def stop() -> bool:
    """Stop the stack.

    Returns:
        Whether there was anything to stop.
    """
    state = _read_state()
    if state is None:
        return False
    supervisor = _same_process(*state["supervisor"])
    if supervisor is not None:
        supervisor.terminate()
        with suppress(psutil.TimeoutExpired):
            supervisor.wait(_PATIENCE_SECONDS)
    for orphan in _remaining(state):
        with suppress(ProcessLookupError):
            os.killpg(orphan.pid, signal.SIGKILL)
    STATE.unlink(missing_ok=True)
    return True


def _remaining(state: dict[str, Any]) -> Iterator[psutil.Process]:
    for pid, created in [*state["programs"], state["supervisor"]]:
        if (process := _same_process(pid, created)) is not None:
            yield process


def _same_process(pid: int, created: float) -> psutil.Process | None:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        if process.create_time() == created and process.status() != psutil.STATUS_ZOMBIE:
            return process
    return None


def _read_state() -> dict[str, Any] | None:
    return json.loads(STATE.read_text()) if STATE.is_file() else None


def main() -> None:
    """Stop, and say so."""
    argparse.ArgumentParser(prog="scripts/down", description="Stops exactly what scripts/up started.").parse_args()
    print("down: stopped" if stop() else "down: nothing runs")


if __name__ == "__main__":
    main()
