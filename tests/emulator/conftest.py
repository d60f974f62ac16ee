"""Clients made here find the emulators."""

from collections.abc import Iterator

import pytest

from scripts.local.emulators import EmulatorPorts
from tests.support.stack import emulator_environment


@pytest.fixture(scope="package", autouse=True)
def _environment(emulators: EmulatorPorts) -> Iterator[None]:
    with emulator_environment(emulators):
        yield
