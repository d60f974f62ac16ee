"""A process that is told to stop: its nodes first, then its connections."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import httpx2
import pytest

from shared.adapters.mcp_servers.clients import McpClients
from shared.adapters.pydantic_ai.embedders import ProviderEmbedders
from shared.adapters.pydantic_ai.models import Models
from shared.composition.engine import connect_engine, stop_engine
from shared.domain.model_specs import ModelSpec
from shared.settings import load_settings
from tests.support.engine_rig import EngineRig

ENVIRON = {"FIRELOOM_PROJECT": "demo-stop", "GOOGLE_API_KEY": "no-key"}


async def test_what_connects_is_closed_and_nothing_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []
    for kind in (Models, ProviderEmbedders, McpClients):

        async def aclose(self: object) -> None:
            closed.append(type(self).__name__)

        monkeypatch.setattr(kind, "aclose", aclose)
    closing = AsyncExitStack()
    connect_engine(load_settings(ENVIRON), ENVIRON, closing=closing)
    await closing.aclose()
    assert sorted(closed) == ["McpClients", "Models", "ProviderEmbedders"]


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
