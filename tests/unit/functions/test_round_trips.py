"""What a person waits for before a model is asked: requests to the store, one after the other, their own check too."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from functions.chat.routes import message_routes
from shared.adapters.identity_platform.admin import AdminSdk
from shared.adapters.identity_platform.id_tokens import IdTokenVerifier
from shared.edge.app import create_app
from tests.support.engine_rig import ANN, EngineRig
from tests.support.scripted_runner import Step
from tests.support.slow_documents import SlowDocuments


class Believing(AdminSdk):
    """The Admin SDK, which has verified the signature: it asks the store nothing."""

    async def verify_id_token(self, token: str) -> Mapping[str, Any]:
        return {"sub": token, "exp": 4_000_000_000}


async def test_a_turn_over_http_asks_the_model_after_four_round_trips_and_then_after_three() -> None:
    rig = EngineRig()
    started = await rig.start(await rig.make_agent())
    await rig.drain()
    documents = SlowDocuments(rig.documents, rig.clock)
    app = create_app("chat", verifier=IdTokenVerifier(Believing("demo-x"), documents, rig.clock))
    app.include_router(message_routes(rig.engine(documents)))
    asked: list[float] = []
    rig.runner.script = lambda _: (Step(("yes",), before_end=lambda: asked.append(rig.clock.monotonic())),)
    path, headers = f"/sessions/{started.run.session_id}/messages", {"Authorization": f"Bearer {ANN}"}
    waits: list[int] = []
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", headers=headers) as client:
        for _ in range(2):
            began = rig.clock.monotonic()
            answering = asyncio.ensure_future(client.post(path, json={"input": "and?", "stream": False}))
            while not answering.done():
                await rig.clock.advance(0.1)
            answer = await answering
            assert (answer.status_code, answer.json()["text"]) == (200, "yes")
            waits.append(round(asked[-1] - began))
    assert waits == [4, 3]
