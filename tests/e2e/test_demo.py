"""The command that shows everything, as a newcomer types it."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx
import psutil
import pytest

from scripts.local.paths import LOCAL, ROOT
from tests.support.commands import command_environment, processes_of, run_command
from tests.support.provider_stubs.gemini import Gemini
from tests.support.provider_stubs.replies import Answer, Call
from tests.support.provider_stubs.server import running

_SECONDS = 300


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a git history, of which only two files are to be reviewed."""
    files = {
        "README.md": "# Loom\n\nWeaves cloth.\n",
        "src/loom.py": '"""Weaves."""\n\n# TODO: use wool\nTHREADS = 40\n',
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "large.txt").write_text("x" * 70_000)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["git", "-C", str(tmp_path), "add", "."], check=True)
    (tmp_path / "untracked.md").write_text("Not yet.")
    return tmp_path


def demo(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "demo"), *arguments]
    env = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", **environ}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=_SECONDS, check=False)


class Watched:
    """A running demo, its output so far, and the processes that it started."""

    def __init__(self, *arguments: str) -> None:
        command = [str(ROOT / "scripts" / "demo"), *arguments]
        env = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
        self.process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
        )
        self.told = ""
        self.started: list[psutil.Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()  # if it has not ended, the test has failed already
        self.process.communicate()

    def read_until(self, text: str) -> None:
        """Read its output up to the line with `text`, and note what runs by then."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told += line
            if text in line:
                self.started = psutil.Process(self.process.pid).children(recursive=True)
                return
        raise AssertionError(self.told)

    def end(self) -> int:
        """Its exit code, once it has ended."""
        rest, _ = self.process.communicate(timeout=_SECONDS)
        self.told += rest
        return self.process.returncode

    def left_behind(self) -> list[psutil.Process]:
        """What it started and did not stop."""
        _, alive = psutil.wait_procs(self.started, timeout=60)
        return alive


def test_the_demo_talks_reviews_a_folder_and_cleans_up(folder: Path) -> None:
    saved = LOCAL / "demo" / "review.md"
    saved.unlink(missing_ok=True)
    with Watched(str(folder)) as watched:
        watched.read_until("a graph")
        assert watched.end() == 0, watched.told
    told = watched.told
    assert "\x1b[" not in told, "coloured although NO_COLOR is set and no terminal is there"
    assert re.search(r"ada-\w+ registered, with the role user", told)
    assert re.search(r"grace-\w+ tried to listen, and the rules refused", told)
    answers = told.split("you    ")[1:]
    assert "nine percent fewer broken threads" in answers[0].split("agent  ")[1]
    assert "In summer the effect vanished" in answers[1].split("agent  ")[1]
    for node in ("files", "review · README.md", "review · src/loom.py", "all", "write"):
        assert re.search(rf"^{node}: succeeded, attempt 1, [\d.]+ s, \$[\d.]+$", told, re.MULTILINE), node
    review = saved.read_text()
    shown = told.split(" review.md ")[1]
    assert all(text in shown for text in ("README.md", "src/loom.py", "use wool", f"saved {saved}"))
    assert all(text in review for text in ("## README.md", "## src/loom.py", "use wool"))
    assert not any(text in review for text in ("untracked", "picture", "large"))
    assert len(watched.started) > 5
    assert watched.left_behind() == []


def test_an_interrupted_demo_stops_what_it_started(folder: Path) -> None:
    with Watched(str(folder)) as watched:
        watched.read_until("a conversation")
        watched.process.send_signal(signal.SIGINT)
        assert watched.end() == 130, watched.told
    assert len(watched.started) > 5
    assert watched.left_behind() == []


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    missing = demo(str(tmp_path / "nowhere"))

    assert (missing.returncode, "nowhere is not a folder" in missing.stderr) == (2, True)


def test_what_is_missing_is_said_before_anything_starts() -> None:
    keyless = demo(str(ROOT), "--model", "google:gemini-2.5-flash", GOOGLE_API_KEY="", GEMINI_API_KEY="")

    assert (keyless.returncode, "needs GOOGLE_API_KEY or GEMINI_API_KEY" in keyless.stderr) == (1, True)


def test_a_stack_to_keep_that_does_not_start_ends_the_demo_with_what_up_said(folder: Path, tmp_path: Path) -> None:
    env = command_environment(tmp_path / "local")
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(env["FIRELOOM_API_PORT"])))
        other.listen()

        told = demo("--keep", str(folder), **env)

    assert told.returncode == 1
    assert f"port {env['FIRELOOM_API_PORT']} is taken" in told.stderr
    assert "Traceback" not in told.stderr + told.stdout
    assert processes_of(tmp_path / "local") == []


class Terminal:
    """A command on a terminal, and all that the terminal was sent."""

    def __init__(self, command: Sequence[str], env: dict[str, str]) -> None:
        self._own, theirs = pty.openpty()
        shape = {"TERM": "xterm", "COLUMNS": "200", "LINES": "50"}
        self._process = subprocess.Popen(command, env={**env, **shape}, stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)

    def read_to_end(self) -> tuple[int, str]:
        """Its exit code, and what it told, without what moves the cursor and sets styles."""
        told = b""
        with suppress(OSError), os.fdopen(self._own, "rb", buffering=0) as screen:  # an error is the terminal's end
            while part := screen.read(65_536):
                told += part
        return self._process.wait(), re.sub(r"\x1b\[[\d;?]*[A-Za-z]|\r", "", told.decode(errors="replace"))


async def test_a_provider_s_model_does_the_same_job_and_the_stack_is_kept_up_until_down(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    local = tmp_path_factory.mktemp("local")
    reading = Answer(calls=(Call("file_read", {"path": "README.md"}),))
    replies = [Answer(("Nine ", "percent.")), Answer(("It vanished.",)), reading, Answer(("## README.md\n\nWoven.",))]

    async with running(Gemini("gemini-2.5-flash"), replies) as stub:
        env = command_environment(local)
        env |= {"GOOGLE_API_KEY": "key", "GOOGLE_GEMINI_BASE_URL": stub.base_url}
        command = [str(ROOT / "scripts" / "demo"), str(folder), "--limit", "1", "--keep"]
        try:
            terminal = Terminal([*command, "--model", "google:gemini-2.5-flash"], env)
            code, told = await asyncio.to_thread(terminal.read_to_end)
            async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
                health = await client.get(f"http://127.0.0.1:{env['FIRELOOM_API_PORT']}/health")
        finally:
            down = stop_without_its_supervisor(local, env)

    assert code == 0, told
    assert [asked.path.split("?")[0] for asked in stub.received] == [
        "/v1beta/models/gemini-2.5-flash:streamGenerateContent"
    ] * 4
    assert "Weaves cloth." in json.dumps(stub.received[-1].body)
    assert told.split("agent  ")[1].startswith("Nine percent.")
    table = told.split("run succeeded")[-1].splitlines()
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in table if "│" in line]
    nodes = {"files", "review", "review · README.md", "all", "write"}
    assert {tuple(row[:3]) for row in rows} == {(node, "succeeded", "1") for node in nodes}
    assert all(re.fullmatch(r"[\d.]+ s \$\d\.\d{4}", " ".join(row[3:])) for row in rows), rows
    assert next(row[4] for row in rows if row[0] == "review · README.md") > "$0.0000"
    assert "## README.md\n\nWoven." in (local / "demo" / "review.md").read_text()
    assert health.status_code == 200
    assert down == ("down: stopped\n", [])


def stop_without_its_supervisor(local: Path, env: dict[str, str]) -> tuple[str, list[psutil.Process]]:
    """What `down` says, and leaves, once the supervisor was killed and a part of the stack hangs."""
    state = json.loads((local / "up.json").read_text())
    hanging, _ = state["programs"][0]
    os.kill(hanging, signal.SIGSTOP)
    supervisor, _ = state["supervisor"]
    os.kill(supervisor, signal.SIGKILL)
    running = processes_of(local)
    told = run_command("down", env).stdout
    psutil.wait_procs(running, timeout=60)
    left = processes_of(local)
    for process in left:
        process.kill()
    return told, left


def test_the_help_says_what_it_does() -> None:
    told = demo("--help")
    assert told.returncode == 0
    assert all(text in told.stdout for text in ("--limit", "--model", "--keep", "exit:"))
