"""Make agents of templates: those that come with the deployment, and those that people made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.agent_bundles import without_owner
from shared.domain.agent_template_library import TEMPLATES
from shared.domain.agent_templates import fill_template
from shared.domain.agents import Agent, AgentVersion, Provenance, definition_digest, definition_text
from shared.domain.errors import NotFound
from shared.domain.ids import AgentId
from shared.domain.pages import Page
from shared.domain.suggestions import closest
from shared.ports.documents import Documents
from shared.ports.identity import Identity
from shared.usecases.agents.clone_agent import create_renamed, named
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.get_agent import get_agent, get_version
from shared.usecases.agents.list_agents import AgentSearch, list_agents
from shared.usecases.agents.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Template:
    """A definition with parameters.

    Args:
        name: what it is asked for by: a name of the deployment's own, or the id of an agent.
        version: of the agent; None for the deployment's own.
    """

    name: str
    definition: Mapping[str, Any]
    version: int | None = None


async def list_templates(documents: Documents, caller: Identity, limit: int, page_token: str | None) -> Page[Template]:
    """The deployment's own templates, and then page by page those that administrators made.

    Raises:
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    own = [Template(name, raw) for name, raw in TEMPLATES.items()] if page_token is None else []
    search = AgentSearch(scope="system", type="template", limit=limit, page_token=page_token)
    page = await list_agents(documents, caller.uid, search)
    made = [await _of_agent(documents, agent) for agent in page.items]
    return Page((*own, *made), page.next_page_token)


async def get_template(documents: Documents, caller: Identity, name: str) -> Template:
    """A template, by its name or by the id of an agent that is one and that the caller may see.

    Raises:
        NotFound: there is no such template for this caller.
        Unavailable: the store does not answer.
    """
    if name in TEMPLATES:
        return Template(name, TEMPLATES[name])
    found = closest(name, TEMPLATES)
    refusal = NotFound("There is no such template." + (f" Did you mean '{found}'?" if found else ""))
    if not name.isalnum() or not name.isascii():
        raise refusal
    try:
        agent = await get_agent(documents, caller, AgentId(name))
    except NotFound:
        raise refusal from None
    if not agent.is_template:
        raise refusal
    return await _of_agent(documents, agent)


async def use_template(
    shelf: Shelf, caller: Identity, template_name: str, parameters: Mapping[str, Any], name: str | None = None
) -> tuple[Agent, AgentVersion]:
    """Make an agent of the caller's of a template; it remembers which.

    Args:
        shelf: the ports.
        caller: will own the agent.
        template_name: the template.
        parameters: their values; defaults stand for what is left out.
        name: of the agent; the template's own, with an ending where the caller has one of that name, if left out.

    Raises:
        NotFound: there is no such template for this caller.
        InvalidArgument: with everything that is wrong with the parameters, or with what they make.
        AlreadyExists: the caller has an agent of the name that they chose.
        Unavailable: the store does not answer; the agent may have been stored.
    """
    template = await get_template(shelf.documents, caller, template_name)
    raw = without_owner(fill_template(template.definition, parameters))
    digest = definition_digest(definition_text(template.definition))
    source = AgentId(template.name) if template.version is not None else None
    provenance = Provenance("template", source, template.version, str(template.definition["name"]), digest)
    if name is not None:
        return await create_agent(shelf, caller, named(raw, name), provenance)
    return await create_renamed(shelf, caller, raw, provenance, ending="new")


async def _of_agent(documents: Documents, agent: Agent) -> Template:
    version = await get_version(documents, agent, agent.head)
    return Template(agent.id, json.loads(version.definition_json), version.number)
