"""The whole product, staged as it is deployed, for the tests of this folder."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from scripts.local.stack import Stack
from tests.support.stack import running_stack


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Emulators, functions and gateway; clients made meanwhile find its emulators."""
    with running_stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, not signed in."""
    async with httpx.AsyncClient(base_url=stack.api, timeout=30, trust_env=False) as client:
        yield client
