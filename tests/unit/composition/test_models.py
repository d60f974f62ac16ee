"""What the composition root makes of the environment: models that can be asked, and only those that are allowed."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pydantic_ai.models
import pytest

from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.composition.engine import connect_models
from shared.domain.errors import FailedPrecondition, ModelUnavailable
from shared.settings import load_settings
from tests.support.agent_turns import Recorder, model_of, turn_of
from tests.support.google_keys import GoogleKeys, new_key
from tests.support.http_sites import Site, Told, site_of
from tests.support.provider_stubs.anthropic import Anthropic
from tests.support.provider_stubs.replies import Answer, Refusal, Reply
from tests.support.provider_stubs.server import Stub, running

pytestmark = pytest.mark.loopback

CLAUDE = "claude-sonnet-5-5"
TOKEN = Told.of_json({"access_token": "a-token-of-google", "expires_in": 3600, "token_type": "Bearer"})


@pytest.fixture(autouse=True)
def _models_may_be_asked() -> Iterator[None]:
    with pydantic_ai.models.override_allow_model_requests(allow_model_requests=True):
        yield


@pytest.fixture(scope="module")
def private_pem() -> str:
    return GoogleKeys("", new_key()).private_pem


@asynccontextmanager
async def vertex(*replies: Reply, token: Told = TOKEN) -> AsyncGenerator[tuple[Stub, Site]]:
    """Vertex AI, and where Google gives its tokens out."""
    async with running(Anthropic(CLAUDE), replies) as stub, site_of({"/token": token}) as tokens:
        yield stub, tokens


def credentials_of(folder: Path, private_pem: str, tokens: Site) -> str:
    """A service account's key file."""
    file = folder / "account.json"
    account = {
        "type": "service_account",
        "project_id": "demo-loom",
        "private_key_id": "1",
        "private_key": private_pem,
        "client_email": "worker@demo-loom.iam.gserviceaccount.com",
        "token_uri": tokens.url("/token"),
    }
    file.write_text(json.dumps(account), "utf-8")
    return str(file)


def environ_of(stub: Stub, **more: str) -> dict[str, str]:
    return {
        "GOOGLE_CLOUD_PROJECT": "demo-loom",
        "CLOUD_ML_REGION": "europe-west1",
        "ANTHROPIC_VERTEX_BASE_URL": f"{stub.base_url}/v1",
        **more,
    }


async def ask(environ: dict[str, str], model: str) -> tuple[str, Recorder]:
    models = connect_models(load_settings(environ), environ)
    recorder = Recorder()
    try:
        result = await PydanticAiRunner(models).run(turn_of(model_of(model), "Greet me."), recorder, recorder)
    finally:
        await models.aclose()
    return result.output, recorder


async def test_claude_on_vertex_answers_with_the_credentials_of_the_environment(
    tmp_path: Path, private_pem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vertex(Answer(("Hello ", "from Vertex."))) as (stub, tokens):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", credentials_of(tmp_path, private_pem, tokens))
        output, recorder = await ask(environ_of(stub), f"anthropic-vertex:{CLAUDE}")
    assert output == "Hello from Vertex."
    assert recorder.responses[0].model_name == f"anthropic-vertex:{CLAUDE}"
    assert recorder.responses[0].usage.cost_usd_micros == 1000 * 2 + 100 * 10
    (received,) = stub.received
    path = f"/v1/projects/demo-loom/locations/europe-west1/publishers/anthropic/models/{CLAUDE}:streamRawPredict"
    assert received.path == path
    assert received.headers["authorization"] == "Bearer a-token-of-google"
    assert "model" not in received.body  # the path names it
    assert len(tokens.asked) == 1


async def test_vertex_that_is_busy_is_unavailable_for_as_long_as_it_says(
    tmp_path: Path, private_pem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with vertex(Refusal(429, headers={"Retry-After": "9"})) as (stub, tokens):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", credentials_of(tmp_path, private_pem, tokens))
        with pytest.raises(ModelUnavailable) as raised:
            await ask(environ_of(stub), f"anthropic-vertex:{CLAUDE}")
    assert raised.value.retry_after_seconds == 9
    assert len(stub.received) == 1


async def test_without_credentials_the_reason_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with vertex() as (stub, _):
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "missing.json"))
        with pytest.raises(FailedPrecondition, match="needs Google credentials"):
            await ask(environ_of(stub), f"anthropic-vertex:{CLAUDE}")
    assert stub.received == []


async def test_a_deployment_asks_its_own_choice_and_nothing_that_it_does_not_allow() -> None:
    environ = {
        "FIRELOOM_PROJECT": "demo-loom",
        "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
        "FIRELOOM_MODELS": "local:*",
    }
    _, recorder = await ask(environ, "default:default")
    assert recorder.responses[0].model_name == "local:extractive"
    with pytest.raises(FailedPrecondition, match="not among the models"):
        await ask(environ, f"anthropic-vertex:{CLAUDE}")
