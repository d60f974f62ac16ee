"""Facts and webhooks in memory: a deployment, and receivers that answer as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from standardwebhooks.webhooks import Webhook as Verifier

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.adapters.memory.secrets import MemorySecretStore
from shared.adapters.memory.topic import MemoryFactTopic
from shared.domain.egress import EgressPolicy
from shared.domain.errors import Unavailable
from shared.domain.facts import Fact, FactId
from shared.domain.ids import RunId
from shared.domain.records import parse, render, to_json
from shared.domain.secrets import SecretText
from shared.domain.webhooks import DELIVERIES, Delivery, Webhook
from shared.domain.writes import Create
from shared.ports.documents import Documents, Query
from shared.ports.task_queue import DeliveryTask
from shared.ports.web_client import WebAnswer, WebRequest
from shared.usecases.acknowledgement import Acknowledgement
from shared.usecases.facts.hear_fact import hear_fact
from shared.usecases.nodes.engine import Core
from shared.usecases.secrets.vault import Vault
from shared.usecases.webhooks.deliver_message import deliver_message
from shared.usecases.webhooks.desk import Courier, Desk
from shared.usecases.webhooks.get_webhook import open_webhook
from shared.usecases.webhooks.put_webhook import Subscription, create_webhook
from shared.usecases.webhooks.sweep_deliveries import sweep_deliveries
from tests.support.engine_rig import ANN, EngineRig
from tests.support.scripted_runner import ScriptedRunner, Step

URL = "https://receiver.example/hooks?key=in-the-address"
Said = int | WebAnswer | BaseException


@dataclass(slots=True)
class Receivers:
    """`WebClient` that keeps what it is sent, and answers with what a test queued, then with 200."""

    sent: list[WebRequest] = field(default_factory=list[WebRequest])
    says: list[Said] = field(default_factory=list[Said])
    before_answer: Callable[[], Any] | None = None

    async def send(self, request: WebRequest) -> WebAnswer:
        """The next answer."""
        self.sent.append(request)
        if self.before_answer is not None:
            await self.before_answer()
        said = self.says.pop(0) if self.says else 200
        if isinstance(said, BaseException):
            raise said
        if isinstance(said, WebAnswer):
            return said
        return WebAnswer(request.url, said, {}, b"thanks" if said == 200 else b"no")


def answer(status: int, body: bytes = b"", **headers: str) -> WebAnswer:
    """An answer of a receiver."""
    return WebAnswer(URL, status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


class HooksRig:
    """One deployment in memory."""

    def __init__(self, clock: MemoryClock | None = None) -> None:
        """Start with nothing in it."""
        runner = ScriptedRunner(lambda _: (Step(("done",)),))
        self.rig = EngineRig(runner, clock=clock or MemoryClock())
        self.topic = MemoryFactTopic()
        self.queue = MemoryTaskQueue[DeliveryTask]()
        self.store = MemorySecretStore()
        self.web = Receivers()
        self.egress = EgressPolicy()

    @property
    def core(self) -> Core:
        """The light ports, with the topic."""
        rig = self.rig
        return Core(rig.documents, rig.queue, rig.clock, rig.ids, topic=self.topic)

    def desk(self, documents: Documents | None = None) -> Desk:
        """Of a process of its own; `documents` stands between it and the store."""
        store = documents or self.rig.documents
        vault = Vault(store, self.store, self.rig.clock, self.rig.ids)
        return Desk(store, self.rig.clock, self.rig.ids, vault, self.queue, self.egress)

    def courier(self, documents: Documents | None = None) -> Courier:
        """Of a process of its own."""
        return Courier(self.desk(documents), self.web)

    async def webhook(self, *events: str, url: str = URL) -> tuple[Webhook, SecretText]:
        """A webhook of Ann's."""
        wanted = Subscription(url, events) if events else Subscription(url)
        return await create_webhook(self.desk(), ANN, wanted)

    async def happen(self, name: str = "one", kind: str = "run.succeeded") -> Fact:
        """Something happens to Ann."""
        now = self.rig.clock.now()
        fact = Fact(FactId(f"fact{name}"), kind, ANN, now, to_json({"run_id": name}), now)
        await self.rig.documents.commit([Create(fact.path, render(fact))])
        return fact

    async def hear(self, fact: Fact, documents: Documents | None = None) -> bool:
        """Push the fact once."""
        return await hear_fact(self.desk(documents), fact.id)

    async def deliver(self, task: DeliveryTask, documents: Documents | None = None) -> bool:
        """Deliver a task to a fresh process; time goes on while it waits for nothing else."""
        working = asyncio.ensure_future(deliver_message(self.courier(documents), task.delivery_id))
        while not working.done():
            await self.rig.clock.advance(0.01)
        return await working is Acknowledgement.DONE

    async def drain(self) -> int:
        """Deliver every task until nothing is pending, as a queue does that knows no delays."""
        return await self.queue.drain(self.deliver)

    async def pass_time(self, seconds: float) -> None:
        """Let time pass, the sweeper look, and the queue deliver."""
        await self.rig.clock.advance(seconds)
        await sweep_deliveries(self.rig.documents, self.queue, self.rig.clock, 100)
        await self.drain()

    async def deliveries(self) -> list[Delivery]:
        """Everything that was or is on its way."""
        found = await self.rig.documents.query(Query(DELIVERIES))
        return [parse(Delivery, snapshot.fields or {}) for snapshot in found]

    async def only(self) -> Delivery:
        """The one delivery."""
        (delivery,) = await self.deliveries()
        return delivery

    async def now(self, webhook: Webhook) -> Webhook:
        """The webhook as stored."""
        return await open_webhook(self.rig.documents, ANN, webhook.id)

    async def run(self) -> RunId:
        """A run of Ann's, to its end."""
        started = await self.rig.start(await self.rig.make_agent())
        await self.rig.drain()
        return started.run.id


def signed_with(secret: SecretText, request: WebRequest) -> bool:
    """Whether one of the signatures is the one that the reference library makes with this secret."""
    assert request.body is not None
    at = datetime.fromtimestamp(int(request.headers["webhook-timestamp"]), UTC)
    expected = Verifier(secret.reveal()).sign(request.headers["webhook-id"], at, request.body.decode())
    return expected in request.headers["webhook-signature"].split(" ")


def down() -> Unavailable:
    """A receiver that does not answer."""
    return Unavailable("receiver.example:443 cannot be reached.")
