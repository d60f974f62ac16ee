"""The command `scripts/demo`."""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from scripts.local.api import ApiRefused
from scripts.local.demo_files import MOST_BYTES, MOST_FILES, TextFile, choose_files
from scripts.local.demo_job import Addresses, DemoFailed, Job
from scripts.local.demo_models import check_model
from scripts.local.down import supervisor_process
from scripts.local.environment import PROJECT, Ports, StackSettings
from scripts.local.interrupts import until_interrupted
from scripts.local.paths import LOCAL, ROOT
from scripts.local.processes import HOST, NotReady, PortTaken
from scripts.local.programs import ProgramMissing
from scripts.local.stack import Stack
from scripts.local.watch import ListenRefused

_DESCRIPTION = f"""\
Shows Fireloom at its work, on this machine: starts the local stack, registers two people, holds a conversation with an
agent that streams through a Firestore listener, lets a graph of agents review the files of FOLDER in parallel, and
stops what it started. Reviewed are the text files that git tracks, of at most {MOST_BYTES // 1024} KiB each.
"""
_EPILOG = """\
models: local:extractive (needs no key; quotes, it is not an AI model), or with credentials in the environment
        google:MODEL (GOOGLE_API_KEY), anthropic:MODEL (ANTHROPIC_API_KEY), google-cloud:MODEL, anthropic-vertex:MODEL
        (both: Google's application default credentials, and GOOGLE_CLOUD_PROJECT, which pays).
        A real model is sent the files.
exit:   0 done; 1 something failed, and what is printed; 2 wrong arguments; 130 interrupted
"""
_FAILURES = (DemoFailed, ApiRefused, ListenRefused, NotReady, PortTaken, ProgramMissing, TimeoutError, OSError)
_INTERRUPTED = 130


def main() -> None:
    """Run the job, and say with the exit code how it went."""
    arguments = parser().parse_args()
    console = Console()
    try:
        check_model(arguments.model)
        files, more = choose_files(arguments.folder, arguments.limit)
        if not files:
            raise DemoFailed(f"{arguments.folder} has no text file of at most {MOST_BYTES // 1024} KiB to review")
        if more:
            console.print(f"reviewing {len(files)} files; --limit leaves {more} out", style="dim")
        with _stack(console, keep=arguments.keep) as addresses:
            asyncio.run(until_interrupted(_run(addresses, console, arguments.model, files)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("interrupted", style="yellow")
        raise SystemExit(_INTERRUPTED) from None
    except _FAILURES as error:
        Console(stderr=True).print(f"demo: {str(error) or type(error).__name__}", style="red", markup=False)
        raise SystemExit(1) from None


def parser() -> argparse.ArgumentParser:
    """What it may be called with."""
    known = argparse.ArgumentParser(
        prog="scripts/demo",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known.add_argument("folder", nargs="?", type=_folder, default=ROOT, help="default: this repository")
    known.add_argument("--limit", type=_count, default=MOST_FILES, help=f"review this many files, default {MOST_FILES}")
    known.add_argument("--model", default="local:extractive", help="provider:model, default local:extractive")
    known.add_argument("--keep", action="store_true", help="use the stack of scripts/up, and leave it up")
    return known


def _folder(text: str) -> Path:
    folder = Path(text)
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder")
    return folder.resolve()


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


async def _run(addresses: Addresses, console: Console, model: str, files: list[TextFile]) -> None:
    async with Job(addresses, console, model) as job:
        console.rule("a conversation")
        await job.converse()
        console.rule("a graph")
        review = await job.review(files)
        console.rule("review.md")
        job.show_review(review, LOCAL / "demo" / "review.md")


@contextmanager
def _stack(console: Console, *, keep: bool) -> Generator[Addresses, None, None]:
    """A stack of our own on free ports; or the one of scripts/up, started where it does not run."""
    started = time.monotonic()
    if keep:
        if supervisor_process() is None:
            _start_with_up()
        yield _addresses(Ports.from_environment(os.environ))
        console.print("the stack is left up; scripts/down stops it", style="dim")
        return
    ports = Ports.free()
    with console.status("starting the emulators and the functions"):
        stack = Stack(StackSettings(ports, logs=LOCAL / "demo" / "logs", providers=True))
        stack.start()
    try:
        console.print(f"the stack runs after {time.monotonic() - started:.1f} s", style="dim")
        yield _addresses(ports)
    finally:
        stack.stop()


def _start_with_up() -> None:
    up = subprocess.run([sys.executable, "-m", "scripts.local.up"], cwd=ROOT, check=False)
    if up.returncode:
        raise DemoFailed("the stack did not start, as scripts/up says above")


def _addresses(ports: Ports) -> Addresses:
    return Addresses(f"http://{HOST}:{ports.api}", f"{HOST}:{ports.emulators.firestore}", PROJECT)


if __name__ == "__main__":
    main()
