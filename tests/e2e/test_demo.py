"""The command that shows everything, as a newcomer types it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path
from typing import Self

import psutil
import pytest

from scripts.local.paths import LOCAL, ROOT

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
        assert f"{node}: succeeded, attempt 1" in told
    review = (LOCAL / "demo" / "review.md").read_text()
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
    none = demo("--limit", "0")
    assert (none.returncode, "not a number from 1 on" in none.stderr) == (2, True)


def test_what_is_missing_is_said_before_anything_starts(tmp_path: Path) -> None:
    keyless = demo(str(ROOT), "--model", "google:gemini-2.5-flash", GOOGLE_API_KEY="", GEMINI_API_KEY="")
    assert (keyless.returncode, "needs GOOGLE_API_KEY or GEMINI_API_KEY" in keyless.stderr) == (1, True)
    empty = demo(str(tmp_path))
    assert (empty.returncode, "has no text file" in empty.stderr) == (1, True)


def test_the_help_says_what_it_does() -> None:
    told = demo("--help")
    assert told.returncode == 0
    assert all(text in told.stdout for text in ("--limit", "--model", "--keep", "exit:"))
