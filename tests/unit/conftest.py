"""Unit tests have no network, no emulator and no model."""

import hypothesis
import pydantic_ai.models
import pytest
import pytest_socket

from tests.support.stack import EMULATOR_VARIABLES

pydantic_ai.models.ALLOW_MODEL_REQUESTS = False
# The same examples in every run, and none fails because the machine was busy.
hypothesis.settings.register_profile("unit", derandomize=True, deadline=None)
hypothesis.settings.load_profile("unit")


@pytest.fixture(autouse=True)
def _isolated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in EMULATOR_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    if request.node.get_closest_marker("loopback"):
        pytest_socket.socket_allow_hosts(["127.0.0.1"], allow_unix_socket=True)
    else:
        pytest_socket.disable_socket(allow_unix_socket=True)


def pytest_runtest_teardown() -> None:
    """Give the network back to the tests of other folders."""
    pytest_socket.enable_socket()
