"""The whole product, staged as it is deployed, for the tests of this folder."""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from scripts.local.api import Api
from scripts.local.processes import HOST, free_port
from scripts.local.stack import Stack
from tests.support import held_models
from tests.support.listeners import Place, SignedIn
from tests.support.stack import running_stack


@pytest.fixture(scope="package")
def site_port() -> int:
    """The port of this machine where tools of the stack may find a site that a test opens."""
    return free_port()


@pytest.fixture(scope="package")
def model_port() -> int:
    """Where functions of the stack look for the models of a provider, which a test may serve."""
    return free_port()


@pytest.fixture(scope="package")
def stack(tmp_path_factory: pytest.TempPathFactory, site_port: int, model_port: int) -> Iterator[Stack]:
    """Emulators, functions and gateway; clients made meanwhile find its emulators."""
    extra = {"FIRELOOM_EGRESS_LOOPBACK": f"{HOST}:{site_port}", **held_models.environment(model_port)}
    with running_stack(tmp_path_factory.mktemp("stack"), extra) as stack:
        yield stack


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway, not signed in."""
    async with httpx.AsyncClient(base_url=stack.api, timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def place(stack: Stack) -> Place:
    """The stack's database, to listen to."""
    return Place(stack.settings.project, f"{HOST}:{stack.settings.ports.emulators.firestore}")


@pytest.fixture
def signed_in(stack: Stack) -> Callable[[Api], SignedIn]:
    """What proves who somebody is, to both kinds of listener."""
    auth = stack.settings.ports.emulators.environment["FIREBASE_AUTH_EMULATOR_HOST"]

    def prove(api: Api) -> SignedIn:
        person = api.person
        assert person is not None
        return SignedIn(person.uid, person.token, {"auth": auth, "email": person.email, "password": person.password})

    return prove
