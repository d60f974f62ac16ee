"""The emulators and the whole stack, for the tests that need them."""

import asyncio
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from scripts.local.emulators import EmulatorPorts, Emulators
from scripts.local.environment import CONCURRENT_DISPATCHES, PROJECT, Ports, StackSettings
from scripts.local.stack import Stack
from tests.support.polling import until

EMULATOR_VARIABLES = tuple(EmulatorPorts().environment)


@contextmanager
def running_emulators(environ: Mapping[str, str], logs: Path) -> Generator[EmulatorPorts, None, None]:
    """The emulators that the environment names, or else our own on free ports."""
    if all(name in environ for name in EMULATOR_VARIABLES):
        auth, firestore, pubsub, tasks = (int(environ[name].rsplit(":", 1)[1]) for name in EMULATOR_VARIABLES)
        yield EmulatorPorts(auth, firestore, pubsub, tasks)
        return
    with Emulators(PROJECT, EmulatorPorts.free(), logs) as emulators:
        yield emulators.ports


@contextmanager
def emulator_environment(ports: EmulatorPorts) -> Generator[None, None, None]:
    """Let every client that is made meanwhile find the emulators."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ports.environment.items():
            patch.setenv(name, value)
        yield


@contextmanager
def running_stack(
    logs: Path, extra: Mapping[str, str], *, concurrent_dispatches: int = CONCURRENT_DISPATCHES
) -> Generator[Stack, None, None]:
    """The whole stack from staged sources on free ports; ``extra`` are the functions' variables."""
    settings = StackSettings(
        Ports.free(), logs=logs, staged=True, extra=extra, concurrent_dispatches=concurrent_dispatches
    )
    with emulator_environment(settings.ports.emulators), Stack(settings) as stack:
        yield stack


@asynccontextmanager
async def killed(stack: Stack, name: str) -> AsyncGenerator[None]:
    """Kill a function of the stack for the time of the block; whatever happens in it, the function serves again."""
    stack.functions[name].kill()
    try:
        yield
    finally:
        await asyncio.to_thread(stack.restart_functions, [name])


async def restart_gently(stack: Stack, name: str) -> None:
    """Tell a function to stop, give it all the time that it needs for that, and start it again."""
    program = stack.functions[name]

    async def has_ended() -> bool:
        return not program.running

    try:
        program.ask_to_stop()
        await until(has_ended)
    finally:
        await asyncio.to_thread(stack.restart_functions, [name])
