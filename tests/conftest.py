"""What tests of every kind may ask for."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.local.emulators import EmulatorPorts
from scripts.local.paths import ROOT
from tests.support.query_guard import guarded_queries
from tests.support.query_indexes import Indexes
from tests.support.reports import REPORTS
from tests.support.stack import running_emulators

_TESTS = Path(__file__).parent
_SECONDS = {"emulator": 600, "rules": 600, "e2e": 900}
"""How long a test of a folder may take, with its fixtures: the first one starts emulators, or a whole stack."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests that start programs take as long as a slow machine needs for that."""
    for item in items:
        seconds = _SECONDS.get(item.path.relative_to(_TESTS).parts[0])
        if seconds is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(seconds))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what suites say of themselves, so that whatever was random can be repeated."""
    for title, lines in REPORTS:
        terminalreporter.write_sep("-", title)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorPorts]:
    """The four emulators: those that the environment names, or else our own on free ports.

    They serve any ``demo-`` project, but a client's API key always means ``demo-fireloom``.
    """
    logs: Path = tmp_path_factory.mktemp("emulators")
    with running_emulators(os.environ, logs) as ports:
        yield ports


@pytest.fixture(scope="session", autouse=True)
def _indexed_queries() -> Iterator[None]:
    """Every query of an adapter in this process has the index that production demands."""
    with guarded_queries(Indexes.read(ROOT / "firestore.indexes.json")):
        yield


@pytest.fixture
def project_id() -> str:
    """A project of this test's own, so nothing of another test is in it."""
    return f"demo-{secrets.token_hex(6)}"


@pytest.fixture(scope="module")
def module_project_id() -> str:
    """A project of this module's own."""
    return f"demo-{secrets.token_hex(6)}"
