"""Stages a function as a source of its own, and makes the environment that its lock describes.

A staged source is what is deployed: ``functions/NAME``, ``shared``, ``requirements.txt``, and a
generated ``main.py``, so a module has the same name in development, in tests and in production.
"""

import argparse
import fcntl
import hashlib
import shutil
import subprocess
import sys
import time
from pathlib import Path

from scripts.local.paths import BUILD, ROOT

_UNUSED_SECONDS = 86_400
_ENTRY = """\
import gc

gc.disable()  # imports make many objects and hardly any garbage: looking for it takes a fifth of a cold start
from functions.{name}.main import {name} as {name}

gc.freeze()  # what is there now stays: no later collection looks at it, and forked processes go on sharing it
gc.enable()
gc.set_threshold(10_000)  # not with every 700 new objects: a busy process made so many every few milliseconds
"""


class NoSuchFunction(ValueError):
    """There is no folder of that name in ``functions``."""


def function_names() -> tuple[str, ...]:
    """All functions, in alphabetical order."""
    return tuple(sorted(path.parent.name for path in ROOT.glob("functions/*/main.py")))


def render_entry(name: str) -> str:
    """The generated ``main.py`` that functions-framework loads.

    Source: https://docs.python.org/3/library/gc.html#gc.freeze
    Source: https://docs.python.org/3/library/gc.html#gc.set_threshold
    """
    return _ENTRY.format(name=name)


def stage(name: str, into: Path = BUILD) -> Path:
    """Build the self-contained source of a function.

    Args:
        name: The function.
        into: The folder in which a folder of that name is made anew.

    Returns:
        The staged folder. Equal trees give equal contents.

    Raises:
        NoSuchFunction: No function has that name.
    """
    if name not in function_names():
        raise NoSuchFunction(f"no function {name!r}; there are {', '.join(function_names())}")
    target = into / name
    shutil.rmtree(target, ignore_errors=True)
    (target / "functions").mkdir(parents=True)
    unwanted = shutil.ignore_patterns("__pycache__", "requirements.txt", ".*", "README.md")
    for package in ("shared", f"functions/{name}"):
        shutil.copytree(ROOT / package, target / package, ignore=unwanted)
    shutil.copyfile(ROOT / "functions" / "__init__.py", target / "functions" / "__init__.py")
    shutil.copyfile(_lock(name), target / "requirements.txt")
    (target / "main.py").write_text(render_entry(name))
    return target


def environment(name: str) -> Path:
    """The virtual environment that holds just a function's own requirements."""
    return make_environment(name, _lock(name))


def make_environment(name: str, lock: Path) -> Path:
    """The virtual environment of a lock.

    It is made once per content of the lock, by one process at a time; those that nobody began to use for a day are
    removed.
    """
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()[:12]
    folder = BUILD / "environments" / f"{name}-{digest}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        _install(name, lock, folder)
    return folder


def _install(name: str, lock: Path, folder: Path) -> None:
    complete = folder / ".complete"
    if not complete.is_file():
        for old in folder.parent.glob(f"{name}-*"):
            if time.time() - old.stat().st_mtime > _UNUSED_SECONDS:
                shutil.rmtree(old)
        uv = str(Path(sys.executable).with_name("uv"))
        python = str(folder / "bin" / "python")
        make = [uv, "venv", "--quiet", "--no-project", "--python", sys.executable, str(folder)]
        install = [uv, "pip", "sync", "--quiet", "--system-certs", "--require-hashes", "--compile-bytecode"]
        subprocess.run(make, check=True)
        subprocess.run([*install, "--python", python, str(lock)], check=True)
        complete.touch()
    folder.touch()


def _lock(name: str) -> Path:
    return ROOT / "functions" / name / "requirements.txt"


def main() -> None:
    """Stage the functions named on the command line, or all."""
    parser = argparse.ArgumentParser(prog="scripts/stage", description=main.__doc__)
    parser.add_argument("name", nargs="*", help="a folder of functions/; all if none is given")
    parser.add_argument("--environment", action="store_true", help="make its environment too, to start it in")
    arguments = parser.parse_args()
    for name in arguments.name or function_names():
        try:
            print(stage(name).relative_to(ROOT))
        except NoSuchFunction as error:
            parser.error(str(error))
        if arguments.environment:
            print(environment(name).relative_to(ROOT))


if __name__ == "__main__":
    main()
