"""Starts programs with a log each, waits until they serve, and stops just those."""

import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

HOST = "127.0.0.1"
START_SECONDS = 180.0
"""How long anything may take while all programs of a stack start at once, on however few cores."""
_STOP_SECONDS = 10.0
_TAIL_LINES = 20
_PR_SET_PDEATHSIG = 1
_BECOME = f"""
import ctypes, os, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGTERM)})
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""
_FREE_PORTS = range(20_000, 32_000)
_next_free = itertools.count(os.getpid() * 61)


class PortTaken(RuntimeError):
    """Another program listens on a port that the stack was told to use."""


class NotReady(RuntimeError):
    """A program ended, or did not answer in time, instead of becoming ready."""


def check_port(port: int, setting: str) -> None:
    """Fail early, and by name, where a port is taken.

    Args:
        port: The port on the loopback address.
        setting: The environment variable that chooses another.

    Raises:
        PortTaken: Something listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise PortTaken(f"port {port} is taken by another program: stop it, or set {setting}") from error


def free_port() -> int:
    """A port on the loopback address that is free now, and that this process was not given before.

    It lies below the ports that systems give to outgoing connections, so none takes it before it is used; and each
    process begins elsewhere, so two that start at once seldom meet.
    """
    while True:
        port = _FREE_PORTS[next(_next_free) % len(_FREE_PORTS)]
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port


class Program:
    """One running program, in a process group of its own, with one log file."""

    def __init__(self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path) -> None:
        """Start it.

        Args:
            name: What messages call it.
            command: The program and its arguments.
            env: Its whole environment.
            log: Where its output is appended.
        """
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                _ending_with_parent(command),
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id, which is also its group's."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.poll() is None

    def wait_until_serving(self, url: str, *, seconds: float = START_SECONDS) -> None:
        """Wait until a GET of the address is answered below 500.

        Raises:
            NotReady: It ended, or the time passed; the message holds the end of its log.
        """
        deadline = time.monotonic() + seconds
        while not _answers(url):
            if not self.running:
                raise NotReady(f"{self.name} ended with {self._process.returncode}{self._tail()}")
            if time.monotonic() > deadline:
                raise NotReady(f"{self.name} did not answer within {seconds:.0f} s{self._tail()}")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it at once, without a chance to clean up."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def ask_to_stop(self) -> None:
        """Ask it to end by itself."""
        self._signal(signal.SIGTERM)

    def stop(self, *, seconds: float = _STOP_SECONDS) -> None:
        """Ask it to end; after that many seconds, end it."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return

    def _tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return f"; see {self.log}:\n" + "\n".join(lines)


def stop_all(programs: Sequence[Program]) -> None:
    """Stop several at once, so that the slowest sets the time."""
    for program in programs:
        program.ask_to_stop()
    for program in programs:
        program.stop()


def _ending_with_parent(command: Sequence[str]) -> list[str]:
    """The command, such that the kernel ends it when this process dies, even by SIGKILL; only Linux can.

    Not by `preexec_fn`: that forks this whole process, and the copied state of gRPC's threads aborts the child.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-IS", "-c", _BECOME, str(os.getpid()), *command]


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - always a loopback address
            return True
    except urllib.error.HTTPError as answer:
        return answer.code < 500  # noqa: PLR2004 - a refusal is an answer
    except OSError:
        return False
