"""A process that is told to stop: its nodes first, then its connections."""

from __future__ import annotations

import asyncio
import base64
import gc
from collections.abc import Iterator
from contextlib import AsyncExitStack
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

import httpx2
import pytest

from shared.adapters.pydantic_ai.models import Models
from shared.composition.engine import Process, connect_process, stop_engine
from shared.domain.model_specs import ModelSpec
from shared.settings import load_settings
from tests.support.engine_rig import EngineRig

ENVIRON = {"FIRELOOM_PROJECT": "demo-stop", "GOOGLE_API_KEY": "no-key"}
LOCAL = {
    "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",
    "PUBSUB_EMULATOR_HOST": "127.0.0.1:2",
    "CLOUD_TASKS_EMULATOR_HOST": "127.0.0.1:3",
    "FIRELOOM_LOCAL_OIDC_KEY": "a key of thirty-two bytes or more",
    "FIRELOOM_SECRETS_FOLDER": "nowhere",
    "FIRELOOM_SECRETS_KEY": base64.b64encode(bytes(32)).decode(),
}


def open_in(process: Process) -> Iterator[object]:
    """Every adapter with something to close that a process works with, each once; not what such a one closes."""
    known: set[int] = set()
    waiting: list[Any] = [process.engine, process.indexer]
    while waiting:
        found = waiting.pop()
        if id(found) in known or isinstance(found, type | ModuleType | FunctionType):
            continue
        known.add(id(found))
        module = type(found).__module__
        if module.startswith("shared.adapters.") and (hasattr(found, "aclose") or hasattr(found, "close")):
            yield found
        elif module.startswith("shared.") or isinstance(found, dict | list | tuple | MethodType | partial):
            waiting += gc.get_referents(found)


@pytest.mark.parametrize("environ", [ENVIRON, ENVIRON | LOCAL], ids=["in the cloud", "on emulators"])
async def test_what_connects_is_closed_and_nothing_is_left_out(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = connect_process(load_settings(environ), environ)
    kinds = {type(one) for one in open_in(process)}
    closed: list[object] = []

    async def close(self: object) -> None:
        closed.append(self)

    for kind in kinds:
        monkeypatch.setattr(kind, "aclose" if hasattr(kind, "aclose") else "close", close)
    process = connect_process(load_settings(environ), environ)
    opened = set(open_in(process))
    await process.closing.aclose()
    assert len(closed) == len(set(closed))
    assert opened - set(closed) == {process.engine.core.documents}, "nodes are handed back in it to the end"
    local = ["EmulatorTaskQueue"] if environ is not ENVIRON else []
    names = sorted(type(one).__name__ for one in closed)
    assert names == sorted(["McpClients", "Models", "ProviderEmbedders", "PubSubFactTopic", *local])


async def test_nodes_are_handed_back_before_connections_are_closed() -> None:
    rig = EngineRig()
    engine = rig.engine()
    told: list[str] = []

    class Held:
        """An attempt that notes what it is told."""

        def give_way(self, *, at_once: bool = False) -> None:
            told.append("at once" if at_once else "soon")

    held = Held()
    engine.held.add(held)
    closing = AsyncExitStack()
    closing.callback(told.append, "closed")
    stopping = asyncio.ensure_future(stop_engine(engine, closing, 5))
    await rig.clock.advance(4)
    assert told == ["soon"]
    await rig.clock.advance(2)
    await stopping
    assert told == ["soon", "at once", "closed"]


async def test_models_close_the_client_that_their_providers_share() -> None:
    from shared.adapters.pydantic_ai.providers import ProviderSettings  # noqa: PLC0415 - as its users import it

    models = Models(ProviderSettings.from_environ(ENVIRON))
    spec = ModelSpec.model_validate("google:gemini-4-argon")
    await models.get(spec, 1)
    client = models._http  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - what is closed
    assert isinstance(client, httpx2.AsyncClient)
    assert not client.is_closed
    await models.aclose()
    assert client.is_closed
    assert await models.get(spec, 1) is not None
    await models.aclose()
