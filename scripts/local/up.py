"""Starts the stack in the background, and says where it is."""

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from scripts.local.down import supervisor_process
from scripts.local.environment import Ports
from scripts.local.paths import LOCAL, ROOT
from scripts.local.processes import HOST

_DESCRIPTION = """\
Starts the local stack in the background and returns when it is ready: the Firebase emulators, every
function as its own process, and one address for all of them. Code changes reload. scripts/down stops it.
"""
_SETTINGS = """\
ports:  FIRELOOM_API_PORT (8787)  FIRELOOM_AUTH_PORT (9099)  FIRELOOM_FIRESTORE_PORT (8080)
        FIRELOOM_PUBSUB_PORT (8085)  FIRELOOM_TASKS_PORT (9499)  FIRELOOM_<NAME>_FUNCTION_PORT
logs:   .local/logs, one file per process
models: GOOGLE_*, GEMINI_* and ANTHROPIC_* variables reach the functions; local: models need none
"""


def main() -> None:
    """Start, unless it runs already, and print the addresses."""
    parser = argparse.ArgumentParser(
        prog="scripts/up",
        description=_DESCRIPTION,
        epilog=_SETTINGS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args()
    if supervisor_process() is not None:
        sys.exit("up: the stack runs already; scripts/down stops it")
    outcome = _start()
    if error := outcome.get("error"):
        sys.exit(f"up: {error}")
    _print_addresses(outcome)


def _start() -> dict[str, Any]:
    logs = LOCAL / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    for old in logs.glob("*.log"):
        old.unlink()
    with (logs / "up.log").open("ab") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "scripts.local.supervisor"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    assert supervisor.stdout is not None  # noqa: S101 - asked for above
    try:
        line = supervisor.stdout.readline()
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        raise
    outcome = json.loads(line) if line else {"error": f"it failed to start: see {logs / 'up.log'}"}
    if "error" in outcome:
        supervisor.wait()  # until nothing is left of what it had started
    return outcome


def _print_addresses(outcome: dict[str, Any]) -> None:
    ports = Ports.from_environment(os.environ)
    rows = [
        ("API", outcome["api"]),
        ("API page", f"{outcome['api']}/docs"),
        *(
            (f"{name} emulator", f"{HOST}:{port}")
            for name, port in (
                ("auth", ports.emulators.auth),
                ("firestore", ports.emulators.firestore),
                ("pubsub", ports.emulators.pubsub),
                ("tasks", ports.emulators.tasks),
            )
        ),
        *((f"person {name}", f"{email}  {password}") for name, email, password in outcome["people"]),
        ("logs", str(LOCAL / "logs")),
    ]
    for name, value in rows:
        print(f"{name:<20} {value}")


if __name__ == "__main__":
    main()
