"""What the API shows of agents: the fields of the documents, and definitions as their authors wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.agents import Agent, AgentType, AgentVersion, Scope
from shared.domain.errors import Fault
from shared.domain.pages import Page
from shared.domain.tools import Effect


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class AgentView(_View):
    """An agent; what is not about the agent itself shows its latest version."""

    id: str
    owner_uid: str
    name: str
    display_name: str | None
    description: str
    scope: Scope
    type: AgentType
    head: int = Field(description="Number of the latest version.")
    version_tag: str
    aliases: Mapping[str, int]
    is_active: bool
    is_template: bool
    tags: tuple[str, ...]
    category: str | None
    created_at: datetime
    updated_at: datetime


class AgentDetail(AgentView):
    """An agent with the definition of its latest version."""

    definition: dict[str, Any]


class VersionView(_View):
    """An immutable version of an agent."""

    agent_id: str
    number: int
    version_tag: str
    changelog: str
    digest: str
    created_by: str
    created_at: datetime


class VersionDetail(VersionView):
    """A version with its definition."""

    definition: dict[str, Any]


class AgentPage(BaseModel):
    """Agents, the newest first."""

    items: list[AgentView]
    next_page_token: str | None


class VersionPage(BaseModel):
    """Versions, the newest first."""

    items: list[VersionView]
    next_page_token: str | None


class FaultView(_View):
    """One thing that is wrong with a definition."""

    path: str
    reason: str
    suggestion: str | None


class Validation(BaseModel):
    """Whether a definition could be stored."""

    valid: bool
    faults: list[FaultView]


class ToolView(_View):
    """A tool that a definition may name."""

    name: str
    description: str
    effect: Effect
    arguments_schema: Mapping[str, Any]
    config_schema: Mapping[str, Any]


class ToolList(BaseModel):
    """Every tool."""

    items: list[ToolView]


def render_agent(agent: Agent, version: AgentVersion) -> AgentDetail:
    """An agent with its latest version's definition."""
    shown = AgentView.model_validate(agent).model_dump()
    return AgentDetail(**shown, definition=json.loads(version.definition_json))


def render_version(version: AgentVersion) -> VersionDetail:
    """A version with its definition."""
    shown = VersionView.model_validate(version).model_dump()
    return VersionDetail(**shown, definition=json.loads(version.definition_json))


def render_agents(page: Page[Agent]) -> AgentPage:
    """A page of agents."""
    items = [AgentView.model_validate(agent) for agent in page.items]
    return AgentPage(items=items, next_page_token=page.next_page_token)


def render_versions(page: Page[AgentVersion]) -> VersionPage:
    """A page of versions."""
    items = [VersionView.model_validate(version) for version in page.items]
    return VersionPage(items=items, next_page_token=page.next_page_token)


def render_validation(faults: tuple[Fault, ...]) -> Validation:
    """The faults of a definition."""
    return Validation(valid=not faults, faults=[FaultView.model_validate(fault) for fault in faults])
