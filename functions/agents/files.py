"""The HTTP face of agents as files: parse, call a use case, render."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from functions.agents.requests import DEFINITION_BODY, Written, read_written
from functions.agents.views import AgentDetail, render_agent
from shared.domain.agent_bundles import Bundle
from shared.domain.agents import LATEST
from shared.domain.errors import TooLarge
from shared.domain.ids import AgentId
from shared.domain.media_types import media_type_in
from shared.domain.name_conflicts import OnConflict
from shared.edge import agent_archive
from shared.edge.agent_archive import MAX_ARCHIVE_BYTES, MAX_TEXT_BYTES, read_archive, write_archive
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.definition_text import write_yaml
from shared.edge.etags import etag_of
from shared.edge.middleware import BodyLimit
from shared.edge.path_ids import ResourceId
from shared.edge.version_refs import VersionRefParameter
from shared.usecases.agents.export_bundle import export_bundle
from shared.usecases.agents.get_agent import get_agent, get_version
from shared.usecases.agents.import_bundle import Imported, import_bundle
from shared.usecases.agents.shelf import Shelf
from shared.usecases.knowledge.library import Library

YAML = "application/yaml"
ARCHIVE_BODIES = BodyLimit("POST", re.compile(r"/agents/import"), MAX_ARCHIVE_BYTES)
_FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A definition in YAML or JSON, or an archive: what `GET /agents/{agent_id}/export` answers.",
        "content": {
            **DEFINITION_BODY["requestBody"]["content"],
            agent_archive.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_FILE_ANSWER: dict[int | str, Any] = {
    200: {
        "content": {
            YAML: {"schema": {"type": "string"}},
            agent_archive.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}},
        }
    }
}


class ImportDetail(AgentDetail):
    """An agent that was imported, and what came with it."""

    imported_agents: dict[str, str] = Field(description="Ids of the agents that it refers to, by name in the archive.")
    imported_knowledge: dict[str, str] = Field(description="Ids of its collections, by name in the archive.")


class _Import(BaseModel):
    on_conflict: OnConflict = Field(default="refuse", description="What to do where you have something of the name.")


async def _read_file(request: Request) -> Written | Bundle:
    """The file in the body: a definition, or an archive of what it needs as well."""
    media_type = media_type_in(request.headers.get("content-type"))
    body = await request.body()
    if media_type in agent_archive.MEDIA_TYPES:
        return await asyncio.to_thread(read_archive, body)  # unpacking and parsing take seconds
    if len(body) > MAX_TEXT_BYTES:
        raise TooLarge(f"The body is larger than {MAX_TEXT_BYTES} bytes.")
    return await read_written(request)


FileBody = Annotated[Any, Depends(_read_file)]


def file_routes(shelf: Shelf, library: Library) -> APIRouter:
    """The routes by which agents come and go as files."""
    router = APIRouter(tags=["agents"])

    @router.post(
        "/agents/import",
        name="import",
        status_code=201,
        openapi_extra=_FILE_BODY,
        responses=problem_responses(400, 401, 403, 409, 413, 415, 503),
    )
    async def import_(
        caller: Caller, file: FileBody, query: Annotated[_Import, Query()], response: Response
    ) -> ImportDetail:
        """Make an agent of an exported file, with the agents and documents that an archive has beside it."""
        bundle = file if isinstance(file, Bundle) else Bundle(file.propose("").raw)
        made = await import_bundle(shelf, library, caller, bundle, query.on_conflict)
        response.headers["Location"] = f"/agents/{made.agent.id}"
        response.headers["ETag"] = etag_of(made.agent.etag)
        return _render(made)

    @router.get(
        "/agents/{agent_id}/export",
        response_class=Response,
        responses={**problem_responses(400, 401, 404, 409, 413), **_FILE_ANSWER},
    )
    async def export(
        caller: Caller,
        agent_id: ResourceId,
        version: VersionRefParameter = LATEST,
        format: Annotated[  # noqa: A002 - the parameter's name in the API
            Literal["yaml", "zip"],
            Query(description="`zip`: with the agents that it refers to, and the documents that it searches."),
        ] = "yaml",
    ) -> Response:
        """A version as a file, which `POST /agents/import` takes, here or elsewhere."""
        if format == "zip":
            agent, found, bundle = await export_bundle(shelf.documents, caller, AgentId(agent_id), version)
            content: bytes = write_archive(bundle)
        else:
            agent = await get_agent(shelf.documents, caller, AgentId(agent_id))
            found = await get_version(shelf.documents, agent, version)
            content = write_yaml(json.loads(found.definition_json)).encode()
        name = f"{agent.name}-{found.number}.{format}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        media_type = agent_archive.MEDIA_TYPE if format == "zip" else YAML
        return Response(content, headers=headers, media_type=media_type)

    return router


def _render(made: Imported) -> ImportDetail:
    return ImportDetail(
        **render_agent(made.agent, made.version).model_dump(),
        imported_agents={name: str(agent.id) for name, agent in made.agents.items()},
        imported_knowledge={name: str(collection_id) for name, collection_id in made.knowledge.items()},
    )
