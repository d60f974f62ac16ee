"""The whole API in one process on memory adapters, with somebody in every role."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
from fastapi import APIRouter, FastAPI

from functions.agents.catalog import catalog_routes
from functions.agents.files import ARCHIVE_BODIES, file_routes
from functions.agents.grants import grant_routes, sharing_routes
from functions.agents.history import history_routes
from functions.agents.knowledge import DOCUMENT_BODIES, document_reading_routes, document_routes, knowledge_routes
from functions.agents.knowledge_readers import knowledge_reader_routes
from functions.agents.models import model_routes
from functions.agents.routes import making_routes, reading_routes, writing_routes
from functions.agents.secrets import secret_routes
from functions.agents.templates import template_routes
from functions.agents.versions import alias_routes, version_routes
from functions.auth.quotas import quota_routes
from functions.auth.routes import People, administration_routes, credential_routes, profile_routes
from functions.chat.routes import message_routes
from functions.runs.approvals import approval_routes
from functions.runs.artifacts import ARTIFACT_BODIES, artifact_routes
from functions.runs.control import control_routes
from functions.runs.dead_letters import dead_letter_routes
from functions.runs.readers import reader_routes
from functions.runs.routes import run_reading_routes, run_routes
from functions.runs.schedules import schedule_control_routes, schedule_routes
from functions.runs.sessions import session_routes
from functions.runs.webhooks import delivery_log_routes, webhook_routes
from functions.runs.workflows import workflow_routes
from shared.adapters.cel.conditions import CelConditions
from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.adapters.memory.secrets import MemorySecretStore
from shared.composition.schedules import connect_planner
from shared.domain.agents import Proposal
from shared.domain.allowed_models import AllowedModels
from shared.domain.dead_letters import DeadLetterKind, bury, dead_letter_id
from shared.domain.definition_faults import parse_definition
from shared.domain.definitions import AgentDefinition
from shared.domain.egress import EgressPolicy
from shared.domain.errors import Unauthenticated
from shared.domain.facts import Fact, FactId
from shared.domain.grants import EVERYONE, Permission
from shared.domain.ids import AgentId, SessionId, Uid
from shared.domain.quotas import Quota
from shared.domain.secrets import SecretText
from shared.domain.users import Account, deactivation_path
from shared.domain.users import Role as Claim
from shared.domain.webhooks import delivery_of
from shared.domain.writes import Create, Update
from shared.edge.app import create_app
from shared.edge.routes import find_deployable
from shared.ports.accounts import Tokens
from shared.ports.agent_runner import AgentTurn
from shared.ports.documents import Documents
from shared.ports.identity import Identity
from shared.ports.task_queue import DeliveryTask
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.delete_agent import delete_agent
from shared.usecases.agents.move_alias import move_alias
from shared.usecases.agents.save_draft import save_draft
from shared.usecases.agents.shelf import Shelf
from shared.usecases.approvals.list_approvals import list_approvals
from shared.usecases.artifacts.put_artifact import NewArtifact, put_artifact
from shared.usecases.dead_letters.settle_dead_letter import Undertaker
from shared.usecases.knowledge.create_collection import create_collection
from shared.usecases.knowledge.library import Library
from shared.usecases.knowledge.put_document import NewDocument, put_document
from shared.usecases.runs.start_run import RunRequest, start_run
from shared.usecases.schedules.put_schedule import ScheduleRequest, create_schedule
from shared.usecases.secrets.put_secret import put_secret
from shared.usecases.secrets.vault import Vault
from shared.usecases.sessions.share_session import add_reader
from shared.usecases.webhooks.announce_fact import announce_fact
from shared.usecases.webhooks.desk import Desk
from shared.usecases.webhooks.put_webhook import Subscription, create_webhook
from tests.support.acl.roles import GRANTED, Role, Row
from tests.support.engine_rig import EngineRig
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.knowledge_rig import KnowledgeRig
from tests.support.memory_accounts import MemoryAccounts, Person
from tests.support.scripted_runner import ScriptedRunner, Step
from tests.support.sharing_rig import SharingRig

PASSWORD = "correct horse"
CLAIMS: Mapping[Role, Claim] = {Role.MODERATOR: "moderator", Role.ADMIN: "admin", Role.DEACTIVATED: "admin"}
HELPER: dict[str, Any] = {"name": "helper", "model": "local:scripted"}
ASKING: dict[str, Any] = {
    "name": "asking",
    "tools": [{"name": "echo", "requires_approval": True}, {"name": "ask_human", "config": {"asked": [Role.READER]}}],
}
CALLS = (("echo", {"value": 1}), ("ask_human", {"question": "Which?"}))


def identity(role: Role) -> Identity:
    """Who calls in this role."""
    return Identity(Uid(role), CLAIMS.get(role, "user"), f"{role}@example.com", email_verified=True)


class NamesAsTokens:
    """Whose token is the name of their role; as production does, it refuses who was deactivated."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents

    async def verify(self, token: str) -> Identity:
        if token not in set(Role) or (await self._documents.get(deactivation_path(token))).exists:
            raise Unauthenticated("The token is not valid.")
        return identity(Role(token))


class ForgettingDocuments(ForwardingDocuments):
    """`Documents` that can be put back to how they were."""

    def __init__(self, clock: MemoryClock) -> None:
        self._clock = clock
        self.now = self._before = MemoryDocuments(clock)
        super().__init__(self.now)

    def remember(self) -> None:
        self._before = self._copy(self.now)

    def put_back(self) -> None:
        self.inner = self.now = self._copy(self._before)

    def _copy(self, documents: MemoryDocuments) -> MemoryDocuments:
        """All but the clock, which goes on."""
        return copy.deepcopy(documents, {id(self._clock): self._clock})

    @property
    def paths(self) -> list[str]:
        return self.now.paths


class ObligingCredentials:
    """`Credentials` that do what the API asks of them, and need no code to be sent."""

    async def refresh(self, refresh_token: str) -> Tokens:
        return Tokens(Uid(refresh_token), f"id of {refresh_token}", refresh_token, 3600)

    async def send_password_reset(self, email: str) -> None:
        assert "@" in email

    async def reset_password(self, code: str, password: str) -> None:
        assert code
        assert password

    async def send_email_verification(self, id_token: str) -> None:
        assert id_token in set(Role)

    async def verify_email(self, code: str) -> None:
        assert code


@dataclass(slots=True)
class World:
    """The API, and what is in it: `ids` says what the placeholders of its paths mean."""

    rig: EngineRig = field(default_factory=lambda: EngineRig(ScriptedRunner(_script)))
    ids: dict[str, str] = field(default_factory=dict[str, str])
    apps: dict[str, FastAPI] = field(default_factory=dict[str, FastAPI])
    accounts: dict[Uid, Person] = field(default_factory=dict[Uid, Person])
    """Those that there are; whoever registers is forgotten."""

    @classmethod
    async def make(cls) -> World:
        """A world in which somebody is in every role."""
        world = cls()
        documents = ForgettingDocuments(world.rig.clock)
        world.rig.documents = documents
        sharing = SharingRig(world.rig)
        vault = Vault(documents, MemorySecretStore(), world.rig.clock, world.rig.ids)
        accounts = MemoryAccounts(documents, people=world.accounts)
        library = KnowledgeRig(world.rig.clock, world.rig.ids, documents=documents).library
        await _settle(sharing, accounts)
        await _make_agents(world, sharing)
        await _make_conversation(world, sharing)
        await _ask_people(world, sharing)
        await _make_knowledge(world, library)
        desk = Desk(documents, world.rig.clock, world.rig.ids, vault, MemoryTaskQueue[DeliveryTask](), EgressPolicy())
        await _make_automation(world, desk)
        await put_secret(vault, Uid(Role.OWNER), "token", SecretText("a-secret-of-the-owner"))
        world.ids |= {
            "name": "token",
            "template": "basic",
            "user_id": Role.STRANGER,
            "version": "1",
            "other": "2",
            "alias": "prod",
        }
        world.ids |= {"grantee": Role.VIEWER, "reader": Role.READER}
        world.apps = _apps(world, sharing, library)
        for name, routers in _own_routes(world, vault, accounts, desk).items():
            for router in routers:
                world.apps[name].include_router(router)
        documents.remember()
        return world

    async def ask(self, role: Role, row: Row) -> httpx.Response:
        """The answer to a row's request, in the world as it was made."""
        self.rig.documents.put_back()
        for newcomer in set(self.accounts) - set(Role):
            del self.accounts[Uid(newcomer)]
        method, _, template = row.route.partition(" ")
        means = {name: self.ids.get(row.at.get(name, name), row.at.get(name, "")) for name in {*self.ids, *row.at}}
        url = template.format(**means) + row.query
        deployable = find_deployable(template)
        assert deployable is not None, template
        body: dict[str, Any] = {} if row.body is None else {"json": _filled(row.body, self.ids)}
        if isinstance(row.body, bytes):
            body = {"content": row.body}
        headers = {} if role is Role.ANONYMOUS else {"Authorization": f"Bearer {role}"}
        transport = httpx.ASGITransport(self.apps[deployable])
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            asking = asyncio.ensure_future(client.request(method, url, headers=headers, **body))
            while not asking.done():
                await self.rig.clock.advance(0.01)
            return await asking


def _filled(value: Any, ids: Mapping[str, str]) -> Any:
    """A body in which `{name}` stands for what is called so."""
    if isinstance(value, dict):
        return {key: _filled(part, ids) for key, part in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return value.format(**ids) if isinstance(value, str) and value.startswith("{") else value


async def _settle(sharing: SharingRig, accounts: MemoryAccounts) -> None:
    people = [role for role in Role if role is not Role.ANONYMOUS]
    await sharing.settle(*people)
    for role in people:
        account = Account(Uid(role), f"{role}@example.com", email_verified=True)
        accounts.people[Uid(role)] = Person(account, PASSWORD)
    await sharing.documents.commit([Create(deactivation_path(Role.DEACTIVATED), {"since": sharing.rig.clock.now()})])


async def _make_agents(world: World, sharing: SharingRig) -> None:
    """An agent with two versions' worth of everything, a deleted one, one of the system's, and one for everyone."""
    shelf, owner = Shelf(sharing.documents, world.rig.clock, world.rig.ids), identity(Role.OWNER)
    for name, whose, fields in (
        ("agent_id", owner, {}),
        ("deleted", owner, {"name": "deleted"}),
        ("system", identity(Role.ADMIN), {"scope": "system"}),
        ("public", owner, {"name": "public"}),
    ):
        raw = {**HELPER, **fields}
        agent, _ = await create_agent(shelf, whose, Proposal(parse_definition(raw), raw))
        world.ids[name] = agent.id
        if name == "public":
            await sharing.grant(agent.id, EVERYONE, Permission.RUN, by=owner)
        elif whose is owner:
            await move_alias(shelf, whose, agent.id, "prod", 1)
            await save_draft(shelf, whose, agent.id, raw)
            for role, permission in {**GRANTED, Role.DEACTIVATED: GRANTED[Role.MANAGER]}.items():
                await sharing.grant(agent.id, role, permission, by=owner)
            soon = world.rig.clock.now() + timedelta(seconds=1)
            await sharing.grant(agent.id, Role.FORMER, GRANTED[Role.MANAGER], by=owner, expires_at=soon)
            world.rig.clock.jump(2)
        if name == "deleted":
            await delete_agent(shelf, whose, agent.id)


async def _make_conversation(world: World, sharing: SharingRig) -> None:
    owner = Uid(Role.OWNER)
    agent: Any = world.ids["agent_id"]
    run = (await start_run(world.rig.core, RunRequest(owner, "hello", agent))).run
    await world.rig.drain()
    world.ids |= {"run_id": run.id, "session_id": run.session_id}
    for reader in (Role.READER, Role.DEACTIVATED):
        await add_reader(sharing.sharing, owner, SessionId(run.session_id), reader)
    file = NewArtifact(run.session_id, owner, "a.txt", b"text", owner)
    await put_artifact(sharing.documents, world.rig.clock, file)


async def _ask_people(world: World, sharing: SharingRig) -> None:
    """A run that waits for a yes of its owner, and for an answer of somebody else."""
    owner = identity(Role.OWNER)
    shelf = Shelf(sharing.documents, world.rig.clock, world.rig.ids)
    raw = {**HELPER, **ASKING}
    proposal = Proposal(AgentDefinition.model_validate(raw), raw)  # its tools are the rig's, which no definition names
    agent, _ = await create_agent(shelf, owner, proposal)
    await start_run(world.rig.core, RunRequest(owner.uid, "ask", agent.id))
    await world.rig.drain()
    for name, role in (("approval_id", Role.OWNER), ("question", Role.READER)):
        (approval,) = (await list_approvals(sharing.documents, Uid(role), None, 10, None)).items
        world.ids[name] = approval.id


async def _make_knowledge(world: World, library: Library) -> None:
    collection = await create_collection(library, Uid(Role.OWNER), "handbook")
    document, _ = await put_document(library, Uid(Role.OWNER), collection.id, NewDocument("a.txt", b"text"))
    readers = [Role.READER, Role.DEACTIVATED]
    await library.documents.commit([Update(f"knowledge/{collection.id}", {"readers": readers})])
    world.ids |= {"collection_id": collection.id, "document_id": document.id}


async def _make_automation(world: World, desk: Desk) -> None:
    """A schedule, a webhook to which something is on its way, and something that nobody heard."""
    wanted = ScheduleRequest("daily", AgentId(world.ids["agent_id"]), "hello", "0 9 * * *")
    schedule = await create_schedule(connect_planner(world.rig.core), Uid(Role.OWNER), wanted)
    webhook, _ = await create_webhook(desk, Uid(Role.OWNER), Subscription("https://receiver.example"))
    now = world.rig.clock.now()
    fact = Fact(FactId("0123"), "run.failed", Uid(Role.OWNER), now, "{}", now)
    await announce_fact(desk, fact)
    unheard = {"fact_id": "4567"}
    await desk.documents.commit([bury(DeadLetterKind.FACT, fact.owner_uid, unheard, "nobody has heard it", now)])
    world.ids |= {
        "schedule_id": schedule.id,
        "webhook_id": webhook.id,
        "delivery_id": delivery_of(webhook, fact, now).id,
        "letter_id": dead_letter_id(DeadLetterKind.FACT, unheard),
    }


def _script(turn: AgentTurn) -> tuple[Step, ...]:
    return (Step((), CALLS), Step(("done",))) if turn.prompt == "ask" else (Step(("done",)),)


def _apps(world: World, sharing: SharingRig, library: Library) -> dict[str, FastAPI]:
    """Each function's application, with the routes of what is shared."""
    core = world.rig.core
    shelf = Shelf(sharing.documents, world.rig.clock, world.rig.ids)
    of_agents = (template_routes, making_routes, writing_routes, reading_routes, version_routes, alias_routes)
    of_knowledge = (knowledge_routes, document_routes, document_reading_routes)
    routers: dict[str, list[APIRouter]] = {
        "auth": [],
        "agents": [
            sharing_routes(sharing.sharing),
            catalog_routes(shelf),
            *(routes(shelf) for routes in of_agents),
            *(routes(library) for routes in of_knowledge),
            file_routes(shelf, library),
            grant_routes(sharing.sharing),
            history_routes(sharing.documents),
            knowledge_reader_routes(sharing.sharing),
        ],
        "runs": [
            *(routes(core) for routes in (run_routes, control_routes, session_routes, approval_routes)),
            run_reading_routes(sharing.documents),
            workflow_routes(core, shelf.models, CelConditions()),
            reader_routes(sharing.sharing),
            artifact_routes(sharing.documents, world.rig.clock),
            *(routes(connect_planner(core)) for routes in (schedule_routes, schedule_control_routes)),
        ],
        "chat": [message_routes(world.rig.engine())],
    }
    limits = (ARCHIVE_BODIES, ARTIFACT_BODIES, DOCUMENT_BODIES)
    verifier = NamesAsTokens(sharing.documents)
    apps = {name: create_app(name, verifier=verifier, body_limits=limits) for name in routers}
    for name, app in apps.items():
        for router in routers[name]:
            app.include_router(router)
    return apps


def _own_routes(world: World, vault: Vault, accounts: MemoryAccounts, desk: Desk) -> dict[str, list[APIRouter]]:
    """The routes of what is everybody's own."""
    people = People(vault.documents, accounts, ObligingCredentials(), world.rig.ids)
    return {
        "auth": [
            *(routes(people) for routes in (credential_routes, profile_routes, administration_routes)),
            quota_routes(vault.documents, world.rig.clock, Quota()),
        ],
        "runs": [
            webhook_routes(desk),
            delivery_log_routes(desk),
            dead_letter_routes(Undertaker(world.rig.core, desk)),
        ],
        "agents": [secret_routes(vault), model_routes(AllowedModels(), frozenset({"local"}))],
    }
