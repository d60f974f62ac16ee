import os
import socket
import sys
from pathlib import Path

import psutil
import pytest

from scripts.local.paths import ROOT
from scripts.local.processes import NotReady, PortTaken, Program, check_port, free_port

pytestmark = pytest.mark.loopback

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {STUBBORN!r}])"


def start(code: str, log: Path) -> Program:
    return Program("the program", [sys.executable, "-c", code], env=dict(os.environ), log=log)


def wait_for_line(log: Path) -> None:
    with log.open() as lines:
        while not lines.readline():
            pass


def test_a_taken_port_is_named_with_the_setting_that_changes_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with pytest.raises(PortTaken, match=rf"port {port} .*FIRELOOM_API_PORT"):
            check_port(port, "FIRELOOM_API_PORT")


def test_free_ports_are_free_differ_and_are_out_of_the_way_of_outgoing_connections() -> None:
    ports = [free_port() for _ in range(50)]

    for port in ports:
        check_port(port, "FIRELOOM_API_PORT")
    assert len(set(ports)) == len(ports)
    assert max(ports) < 32768


def test_stopping_ends_what_ignores_being_asked_and_its_children(tmp_path: Path) -> None:
    program = start(PARENT, tmp_path / "log")
    wait_for_line(tmp_path / "log")
    children = psutil.Process(program.pid).children(recursive=True)

    program.stop(seconds=0.1)

    _, alive = psutil.wait_procs(children, timeout=5)
    assert children
    assert (program.running, alive) == (False, [])


def test_a_program_that_ends_instead_of_serving_shows_its_log(tmp_path: Path) -> None:
    program = start("raise SystemExit('no such setting')", tmp_path / "log")

    with pytest.raises(NotReady, match=r"(?s)the program ended with 1.*no such setting"):
        program.wait_until_serving(f"http://127.0.0.1:{free_port()}/")


def test_a_program_that_does_not_serve_in_time_is_not_ready(tmp_path: Path) -> None:
    program = start(STUBBORN, tmp_path / "log")

    with pytest.raises(NotReady, match="did not answer"):
        program.wait_until_serving(f"http://127.0.0.1:{free_port()}/", seconds=0.1)
    program.kill()


def test_a_program_ends_with_the_process_that_started_it_even_if_that_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "child"
    starting = f"""
import os, pathlib, sys, time
sys.path.insert(0, {str(ROOT)!r})
from scripts.local.processes import Program
command = [sys.executable, "-c", "import time; time.sleep(60)"]
child = Program("a child", command, env=dict(os.environ), log=pathlib.Path({str(log)!r}))
print(child.pid, flush=True)
time.sleep(60)
"""
    parent = start(starting, tmp_path / "log")
    wait_for_line(tmp_path / "log")
    child = psutil.Process(int((tmp_path / "log").read_text()))

    parent.kill()

    _, alive = psutil.wait_procs([child], timeout=5)
    assert alive == []
