"""What the API shows of agents: the fields of the documents, and definitions as their authors wrote them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.agent_drafts import Draft
from shared.domain.agents import LATEST, Agent, AgentType, AgentVersion, Scope
from shared.domain.definition_diffs import Comparison, Kind
from shared.domain.definition_warnings import warnings_of
from shared.domain.errors import Fault
from shared.domain.pages import Page
from shared.domain.run_bounds import PlanBounds
from shared.domain.tools import Effect, Risk
from shared.edge.bounds_view import BoundsView


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class FaultView(_View):
    """One thing that is wrong with a definition."""

    path: str
    reason: str
    suggestion: str | None
    line: int | None = Field(description="In the body that was sent, from 1.")
    column: int | None


class ProvenanceView(_View):
    """Where an agent came from."""

    kind: Literal["clone", "import", "template"]
    agent_id: str | None
    version: int | None
    template: str | None
    digest: str | None = Field(description="Of the definition that it began as.")


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
    aliases: Mapping[str, int] = Field(description="What each alias means now; `latest` is always there.")
    is_active: bool
    is_template: bool
    tags: tuple[str, ...]
    category: str | None
    metadata: dict[str, Any]
    provenance: ProvenanceView | None
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None


class AgentDetail(AgentView):
    """An agent with the definition of its latest version."""

    definition: dict[str, Any]
    warnings: list[FaultView] = Field(description="What the author should know of the definition.")


class VersionView(_View):
    """An immutable version of an agent."""

    agent_id: str
    number: int
    version_tag: str
    changelog: str
    digest: str
    created_by: str
    created_at: datetime
    bounds: BoundsView | None = Field(description="As they were when the version was made.")


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


class DraftDetail(BaseModel):
    """The draft of an agent's next version."""

    agent_id: str
    base: int = Field(description="Number of the version that was the latest when the draft was begun.")
    head: int = Field(description="Number of the latest version.")
    revision: int
    updated_by: str
    created_at: datetime
    updated_at: datetime
    definition: dict[str, Any]
    faults: list[FaultView] = Field(description="What still keeps it from becoming a version.")
    warnings: list[FaultView]


class ChangeView(_View):
    """One difference."""

    path: str = Field(description="Where, with dots; an item that was removed has the position that it had.")
    kind: Kind
    old: Any
    new: Any


class ComparisonView(_View):
    """What differs between two versions."""

    changes: list[ChangeView]
    is_cut: bool = Field(description="Whether there are more differences than are listed.")


class AliasView(BaseModel):
    """What an alias means."""

    alias: str
    version: int


class AliasList(BaseModel):
    """Every alias of an agent."""

    items: list[AliasView]


class Validation(BaseModel):
    """Whether a definition could be stored."""

    valid: bool
    faults: list[FaultView]
    warnings: list[FaultView] = Field(description="What its author should know none the less.")
    bounds: BoundsView | None = Field(default=None, description="The most that a run can come to.")


class ToolView(_View):
    """A tool that a definition may name."""

    name: str
    description: str
    effect: Effect
    risk: Risk
    arguments_schema: Mapping[str, Any]
    config_schema: Mapping[str, Any]


class ToolList(BaseModel):
    """Every tool."""

    items: list[ToolView]


def view_agent(agent: Agent) -> AgentView:
    """An agent."""
    fields = {name: getattr(agent, name) for name in AgentView.model_fields if name != "metadata"}
    fields["aliases"] = {LATEST: agent.head, **agent.aliases}
    return AgentView.model_validate({**fields, "metadata": json.loads(agent.metadata_json)})


def render_agent(agent: Agent, version: AgentVersion) -> AgentDetail:
    """An agent with its latest version's definition."""
    definition = json.loads(version.definition_json)
    warnings = _told(warnings_of(definition, version.bounds))
    return AgentDetail(**view_agent(agent).model_dump(), definition=definition, warnings=warnings)


def render_version(version: AgentVersion) -> VersionDetail:
    """A version with its definition."""
    shown = VersionView.model_validate(version).model_dump()
    return VersionDetail(**shown, definition=json.loads(version.definition_json))


def render_agents(page: Page[Agent]) -> AgentPage:
    """A page of agents."""
    return AgentPage(items=[view_agent(agent) for agent in page.items], next_page_token=page.next_page_token)


def render_versions(page: Page[AgentVersion]) -> VersionPage:
    """A page of versions."""
    items = [VersionView.model_validate(version) for version in page.items]
    return VersionPage(items=items, next_page_token=page.next_page_token)


def render_draft(agent: Agent, draft: Draft, faults: tuple[Fault, ...]) -> DraftDetail:
    """A draft, and what still keeps it from becoming a version."""
    fields = {name: getattr(draft, name) for name in DraftDetail.model_fields if hasattr(draft, name)}
    return DraftDetail(
        **fields,
        head=agent.head,
        definition=dict(draft.raw),
        faults=_told(faults),
        warnings=_told(warnings_of(draft.raw)),
    )


def list_aliases(agent: Agent) -> AliasList:
    """Every alias of an agent."""
    aliases = {LATEST: agent.head, **agent.aliases}
    return AliasList(items=[AliasView(alias=alias, version=number) for alias, number in aliases.items()])


def render_comparison(comparison: Comparison) -> ComparisonView:
    """What differs."""
    return ComparisonView.model_validate(comparison)


def render_validation(
    faults: tuple[Fault, ...], warnings: tuple[Fault, ...] = (), bounds: PlanBounds | None = None
) -> Validation:
    """The faults of a definition, or its bounds."""
    shown = None if bounds is None else BoundsView.model_validate(bounds)
    return Validation(valid=not faults, faults=_told(faults), warnings=_told(warnings), bounds=shown)


def _told(faults: tuple[Fault, ...]) -> list[FaultView]:
    return [FaultView.model_validate(fault) for fault in faults]
