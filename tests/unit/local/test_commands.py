"""The shell commands: what they do without being asked, and what they say where something is missing."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from scripts.local.paths import ROOT

TOOLS = ("bash", "cat", "cut", "dirname", "head", "mkdir", "printf", "sed", "sha256sum")
TESTS = ROOT / "tests"
PARTS = {
    "lint",
    *(path.relative_to(TESTS).parts[0] for kind in ("test_*.py", "*.test.mjs") for path in TESTS.rglob(kind)),
}
OLD_NODE = """case "$1" in --version) echo v18.20.4 ;; *) exit 1 ;; esac"""


class Clone:
    """A fresh clone in a folder of the test's own, on a machine with little more than a shell and Java 21."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        for name in ("scripts", "bin", ".local"):
            (folder / name).mkdir()
        shutil.copy(ROOT / "scripts" / "bootstrap", folder / "scripts")
        (folder / "requirements-dev.txt").write_text("uv==1\n")
        (folder / "package-lock.json").write_text("{}")
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool) or tool)
        self.command(self.bin / "java", """echo 'openjdk version "21.0.2"' >&2""")

    def command(self, path: Path, script: str) -> None:
        """A command that does this."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def with_python_packages(self) -> None:
        """As bootstrap leaves it once the virtual environment is made from the lock."""
        self.command(self.folder / ".venv" / "bin" / "python", "exit 1")
        digest = hashlib.sha256((self.folder / "requirements-dev.txt").read_bytes()).hexdigest()[:16]
        (self.folder / ".local" / "python.stamp").write_text(digest)

    def bootstrap(self) -> subprocess.CompletedProcess[str]:
        """Set up what is missing."""
        return subprocess.run(
            [self.folder / "scripts" / "bootstrap"],
            env={"PATH": str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    """A fresh clone."""
    return Clone(tmp_path)


def test_without_python_it_is_said_which_is_needed(clone: Clone) -> None:
    clone.command(clone.bin / "python3", "exit 1")  # as one that is too old

    told = clone.bootstrap()

    assert told.returncode != 0
    assert "bootstrap: Python 3.11 or newer, with venv, is missing" in told.stderr


def test_without_npm_it_is_said_which_is_needed(clone: Clone) -> None:
    clone.with_python_packages()

    told = clone.bootstrap()

    assert (told.returncode, told.stderr) == (1, "bootstrap: Node 20 or newer, with npm, is missing\n")


def test_a_node_that_is_too_old_is_named(clone: Clone) -> None:
    clone.with_python_packages()
    clone.command(clone.bin / "npm", "exit 0")
    clone.command(clone.bin / "node", OLD_NODE)

    told = clone.bootstrap()

    assert (told.returncode, told.stderr) == (1, "bootstrap: Node 20 or newer is needed, found v18.20.4\n")


def test_packages_that_cannot_be_installed_end_it(clone: Clone) -> None:
    clone.with_python_packages()
    clone.command(clone.bin / "npm", "echo 'npm: no registry' >&2; exit 7")
    clone.command(clone.bin / "node", "exit 0")

    told = clone.bootstrap()

    assert (told.returncode, told.stderr) == (7, "bootstrap: npm ci\nnpm: no registry\n")
    assert not (clone.folder / ".local" / "node.stamp").exists()


def test_without_a_part_every_folder_of_tests_is_run_and_what_lints() -> None:
    script = (ROOT / "scripts" / "test").read_text()
    (default,) = re.findall(r"\|\| parts=\((.*)\)", script)

    assert set(default.split()) == PARTS
    listed = [set(re.findall(r"\w+", parts)) for parts in re.findall(r"lint ?\| ?web[^\n)\]]*", script)]
    assert listed == [PARTS, PARTS], "its usage, and what it takes"


def test_what_continuous_integration_runs_is_every_part() -> None:
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == "exec scripts/test"


def test_a_part_that_there_is_not_is_named_with_those_that_there_are() -> None:
    told = subprocess.run([ROOT / "scripts" / "test", "nosuch"], capture_output=True, text=True, check=False)

    assert (told.returncode, told.stdout) == (2, "")
    assert "no part 'nosuch'" in told.stderr
    assert all(part in told.stderr for part in PARTS)
