"""The functions `agents` and `runs` as one application, on memory adapters and the local models."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

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
from functions.runs.approvals import approval_routes
from functions.runs.control import control_routes
from functions.runs.readers import reader_routes
from functions.runs.routes import run_reading_routes, run_routes
from functions.runs.sessions import session_routes
from functions.runs.workflows import workflow_routes
from shared.adapters.cel.conditions import CelConditions
from shared.adapters.egress.client import GuardedWebClient
from shared.adapters.memory.secrets import MemorySecretStore
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.adapters.tools.definition_toolbox import DefinitionToolbox
from shared.adapters.tools.toolbox import LocalToolbox
from shared.domain.allowed_models import AllowedModels
from shared.domain.egress import EgressPolicy
from shared.domain.errors import Unauthenticated
from shared.domain.ids import RunId, Uid
from shared.domain.run_bounds import MOST_NODE_RUNS
from shared.edge.app import create_app
from shared.ports.identity import Identity
from shared.usecases.agents.shelf import Shelf
from shared.usecases.secrets.vault import Vault
from tests.support.engine_rig import EngineRig
from tests.support.knowledge_rig import KnowledgeRig
from tests.support.sharing_rig import SharingRig

PEOPLE = {"ada": "user", "bob": "user", "root": "admin"}


class NamesAsTokens:
    """Takes a person's name for the token that proves it."""

    async def verify(self, token: str) -> Identity:
        match PEOPLE.get(token):
            case "user":
                return Identity(Uid(token), "user")
            case "admin":
                return Identity(Uid(token), "admin")
            case _:
                raise Unauthenticated("The token is not valid.")


@dataclass
class Deployment:
    """The application, and a person who uses it."""

    rig: EngineRig
    client: httpx.AsyncClient
    knowledge: KnowledgeRig

    async def ask(self, method: str, path: str, status: int = 200, by: str = "ada", **request: Any) -> httpx.Response:
        """Send a request as somebody, and expect a status."""
        headers = {"Authorization": f"Bearer {by}", **request.pop("headers", {})}
        self.rig.clock.jump(1)
        answer = await self.client.request(method, path, headers=headers, **request)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer

    async def make(self, by: str = "ada", **fields: Any) -> dict[str, Any]:
        """Make an agent."""
        definition = {"name": "helper", "model": "local:extractive", **fields}
        return (await self.ask("POST", "/agents", 201, by, json=definition)).json()

    async def run(self, by: str = "ada", **body: Any) -> dict[str, Any]:
        """Run an agent to its end."""
        started = (await self.ask("POST", "/runs", 202, by, json=body)).json()
        await self.rig.drain()
        run: dict[str, Any] = (await self.ask("GET", f"/runs/{RunId(started['id'])}", by=by)).json()
        return run


@asynccontextmanager
async def deployed(
    models: AllowedModels | None = None, most_node_runs: int = MOST_NODE_RUNS
) -> AsyncGenerator[Deployment, None]:
    """A deployment with nothing in it yet, which runs all models if none are given."""
    models = models or AllowedModels()
    runner: Any = PydanticAiRunner(Models(ProviderSettings.from_environ({}), models))
    rig = EngineRig(runner=runner, most_node_runs=most_node_runs)
    web = GuardedWebClient(EgressPolicy())
    vault = Vault(rig.documents, MemorySecretStore(), rig.clock, rig.ids)
    knowledge = KnowledgeRig(rig.clock, rig.ids, documents=rig.documents)
    built_in = LocalToolbox(rig.documents, rig.clock, web=web, searcher=knowledge.searcher)
    tools: Any = DefinitionToolbox(built_in, vault, web)
    rig.toolbox = tools
    ports = (rig.documents, rig.clock, rig.ids)
    shelf = Shelf(*ports, models, conditions=CelConditions(), most_node_runs=most_node_runs)
    app = create_app("everything", verifier=NamesAsTokens(), body_limits=(ARCHIVE_BODIES, DOCUMENT_BODIES))
    sharing = SharingRig(rig)
    await sharing.settle(*PEOPLE)
    for of_sharing in (sharing_routes, grant_routes, reader_routes, knowledge_reader_routes):
        app.include_router(of_sharing(sharing.sharing))
    app.include_router(catalog_routes(shelf))
    app.include_router(model_routes(models, frozenset({"local"})))
    for of_agents in (making_routes, writing_routes, reading_routes, version_routes, alias_routes, template_routes):
        app.include_router(of_agents(shelf))
    app.include_router(file_routes(shelf, knowledge.library))
    for of_knowledge in (knowledge_routes, document_routes, document_reading_routes):
        app.include_router(of_knowledge(knowledge.library))
    app.include_router(history_routes(rig.documents))
    app.include_router(secret_routes(vault))
    app.include_router(approval_routes(rig.core))
    for of_runs in (run_routes, control_routes, session_routes):
        app.include_router(of_runs(rig.core))
    app.include_router(workflow_routes(rig.core, models, CelConditions()))
    app.include_router(run_reading_routes(rig.documents))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield Deployment(rig, client, knowledge)
