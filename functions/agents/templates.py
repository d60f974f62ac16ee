"""The HTTP face of templates: parse, call a use case, render."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from functions.agents.views import AgentDetail, render_agent
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.etags import etag_of
from shared.edge.page_query import PageQuery
from shared.edge.strict_body import body_schema, strict_body
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.use_template import Template, get_template, list_templates, use_template


class TemplateView(BaseModel):
    """A template, of which agents are made."""

    name: str = Field(description="What `POST /templates/{name}/agents` takes: a name, or the id of an agent.")
    display_name: str | None
    description: str
    version: int | None = Field(description="Of the agent; null for those that come with the deployment.")
    parameters: dict[str, Any] = Field(description="JSON Schema of the parameters, with their defaults.")


class TemplateDetail(TemplateView):
    """A template with its definition, in which `${name}` stands for a parameter."""

    definition: dict[str, Any]


class TemplatePage(BaseModel):
    """Templates."""

    items: list[TemplateView]
    next_page_token: str | None


class TemplateBody(BaseModel):
    """What is to be made of a template."""

    model_config = ConfigDict(extra="forbid")

    parameters: dict[str, Any] = Field(default_factory=dict)
    name: str | None = Field(default=None, max_length=64, description="The template's own, made unique, if left out.")


Filling = Annotated[TemplateBody, Depends(strict_body(TemplateBody))]


def template_routes(shelf: Shelf) -> APIRouter:
    """The routes of templates."""
    router = APIRouter(tags=["templates"])

    @router.get("/templates", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[PageQuery, Query()]) -> TemplatePage:
        """List templates: those that come with the deployment, then those that administrators made."""
        page = await list_templates(shelf.documents, caller, query.limit, query.page_token)
        items = [TemplateView(**_shown(template)) for template in page.items]
        return TemplatePage(items=items, next_page_token=page.next_page_token)

    @router.get("/templates/{name}", responses=problem_responses(401, 404))
    async def read(caller: Caller, name: str) -> TemplateDetail:
        """Read a template."""
        template = await get_template(shelf.documents, caller, name)
        return TemplateDetail(**_shown(template), definition=dict(template.definition))

    @router.post(
        "/templates/{name}/agents",
        status_code=201,
        openapi_extra=body_schema(TemplateBody),
        responses=problem_responses(400, 401, 404, 409),
    )
    async def make(caller: Caller, name: str, body: Filling, response: Response) -> AgentDetail:
        """Make an agent of your own of a template."""
        agent, version = await use_template(shelf, caller, name, body.parameters, body.name)
        response.headers["Location"] = f"/agents/{agent.id}"
        response.headers["ETag"] = etag_of(agent.etag)
        return render_agent(agent, version)

    return router


def _shown(template: Template) -> dict[str, Any]:
    raw = template.definition
    return {
        "name": template.name,
        "display_name": raw.get("display_name"),
        "description": raw.get("description", ""),
        "version": template.version,
        "parameters": raw["parameters"],
    }
