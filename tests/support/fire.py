"""Two workers that are killed at random, for as long as a test wants."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from scripts.local.processes import HOST, Program
from scripts.local.staging import environment, stage

WORKER = "worker"
_MOST_SECONDS = 4.0
"""How long a worker lives at most once it serves; where starting is slow, so is work, and it is given more."""
_MOST_STARTS = 2.0
"""How long it lives then, in times that it took to start."""


@dataclass
class Worker:
    """A worker's process, of its staged source, that can be killed and started again."""

    port: int
    env: Mapping[str, str]
    folder: Path
    kills: int = 0
    started_at: float = 0
    program: Program | None = None

    @property
    def address(self) -> str:
        """Where it serves."""
        return f"http://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, without waiting."""
        command = str(environment(WORKER) / "bin" / "functions-framework")
        source = stage(WORKER, self.folder / str(self.port)) / "main.py"
        place = [f"--host={HOST}", f"--port={self.port}"]
        arguments = [command, f"--target={WORKER}", f"--source={source}", *place]
        self.started_at = time.monotonic()
        self.program = Program(f"the worker on {self.port}", arguments, env=self.env, log=self.folder / "workers.log")

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self.program is not None:
            self.program.stop()

    async def burn(self, random: Random, burns: Callable[[], bool]) -> None:
        """Kill it and start it again, over and over, while it `burns`; at the end it serves."""
        while True:
            assert self.program is not None
            await asyncio.to_thread(self.program.wait_until_serving, f"{self.address}/health")
            if not burns():
                return
            most = max(_MOST_SECONDS, _MOST_STARTS * (time.monotonic() - self.started_at))
            await asyncio.sleep(random.uniform(0, most))
            self.program.kill()
            self.kills += 1
            self.start()
