"""The commands in `scripts`, each run with ports and a folder of the test's own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import psutil

from scripts.local.environment import Ports, function_setting
from scripts.local.paths import ROOT

EMULATOR_PORTS = ("FIRELOOM_AUTH_PORT", "FIRELOOM_FIRESTORE_PORT", "FIRELOOM_PUBSUB_PORT", "FIRELOOM_TASKS_PORT")
"""The variables that choose them."""


def command_environment(folder: Path) -> dict[str, str]:
    """The environment of a command that keeps its state in this folder and starts a stack on ports that are free."""
    ports = Ports.free()
    emulators = ports.emulators
    chosen = {
        "FIRELOOM_API_PORT": ports.api,
        **dict(
            zip(EMULATOR_PORTS, (emulators.auth, emulators.firestore, emulators.pubsub, emulators.tasks), strict=True)
        ),
        **{function_setting(name): port for name, port in ports.functions.items()},
    }
    own = {name: str(port) for name, port in chosen.items()}
    return {**os.environ, **own, "FIRELOOM_LOCAL_FOLDER": str(folder), "NO_COLOR": "1"}


def run_command(name: str, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """What a command did and said."""
    return subprocess.run([ROOT / "scripts" / name, *arguments], env=env, capture_output=True, text=True, check=False)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Those that were started with this folder for their state, whoever their parent is."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["environ", "status"]):
        environ: dict[str, str] = process.info["environ"] or {}
        if environ.get("FIRELOOM_LOCAL_FOLDER") == str(folder) and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found
