"""What the API shows of runs, sessions and artifacts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.artifacts import ArtifactHead, ArtifactVersion
from shared.domain.events import Event
from shared.domain.nodes import NodeRun
from shared.domain.pages import Page
from shared.domain.runs import RepeatKind, Run, Shape
from shared.domain.sessions import Session
from shared.domain.states import NodeState, RunState
from shared.edge.bounds_view import BoundsView
from shared.edge.event_view import EventView, render_event
from shared.edge.shown_values import shown_map, shown_value


class _View(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class UsageView(_View):
    """What the models consumed."""

    requests: int
    tool_calls: int
    input_tokens: int
    output_tokens: int
    cost_usd_micros: int | None = Field(description="Null where a model's price is not known.")


class FailureView(_View):
    """Why something failed."""

    code: str
    message: str
    retryable: bool


class RepetitionView(_View):
    """Which run was repeated, and how."""

    run_id: str
    kind: RepeatKind
    node: str | None = Field(description="From where it was replayed.")


class RunSummary(_View):
    """A run, without what went in and came out."""

    id: str
    owner_uid: str
    agent_id: str
    version: int
    session_id: str
    shape: Shape
    state: RunState
    cancel_requested: bool
    paused_at: datetime | None = Field(description="Since when it is paused.")
    repeats: RepetitionView | None = Field(description="The run that this one repeats; null for one of its own.")
    usage: UsageView
    error: FailureView | None
    trace_id: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None


class ValueFileView(_View):
    """A file of a session with a value that is too large to be shown, as JSON."""

    session_id: str
    name: str
    version: int
    size_bytes: int


class WarningView(_View):
    """What may stop a run before its end."""

    path: str
    reason: str


class RunView(RunSummary):
    """A run."""

    input: Any
    output: Any = Field(description="Null where it is too large, and kept in a file.")
    output_file: ValueFileView | None
    bounds: BoundsView | None = Field(description="The most that it can come to.")
    warnings: list[WarningView]


class NodeView(_View):
    """One execution of a node of a run's graph."""

    run_id: str
    instance: str
    node: str
    index: int | None
    item: str | None
    kind: str
    state: NodeState
    attempt: int
    usage: UsageView
    error: FailureView | None
    waits_for: tuple[str, ...] = Field(description="The approvals that are still to be decided.")
    not_before: datetime | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    output: Any = Field(default=None, description="Null where it is too large, and kept in a file.")
    output_file: ValueFileView | None
    text: str | None = Field(
        description="What it had said by then, where it failed, was cancelled or waits; cut where it is too large."
    )


class ForkView(_View):
    """What a session is a copy of."""

    session_id: str
    at_seq: int


class SessionView(_View):
    """A conversation, pinned to one version of an agent."""

    id: str
    owner_uid: str
    readers: tuple[str, ...]
    agent_id: str
    version: int
    external_session_id: str | None
    fork_of: ForkView | None
    title: str | None
    state: dict[str, Any] = Field(default_factory=dict)
    configuration: dict[str, Any] = Field(default_factory=dict)
    created_at: datetime
    updated_at: datetime


class ArtifactView(_View):
    """A file of a session; what is not about the file itself shows the version."""

    name: str
    version: int
    mime_type: str
    size_bytes: int
    digest: str = Field(description="SHA-256 of the content, in hex.")
    updated_at: datetime


class RunPage(BaseModel):
    """Runs, the newest first."""

    items: list[RunSummary]
    next_page_token: str | None


class NodePage(BaseModel):
    """Nodes, in the order of their instances' names."""

    items: list[NodeView]
    next_page_token: str | None


class SessionPage(BaseModel):
    """Sessions, those with the latest activity first."""

    items: list[SessionView]
    next_page_token: str | None


class EventPage(BaseModel):
    """Events of a session."""

    items: list[EventView]
    next_page_token: str | None


class ArtifactPage(BaseModel):
    """Files of a session, by name."""

    items: list[ArtifactView]
    next_page_token: str | None


def render_run(run: Run) -> RunView:
    """A run with its input and output."""
    shown = RunSummary.model_validate(run).model_dump()
    file = None if run.output_file is None else ValueFileView.model_validate(run.output_file)
    return RunView(
        **shown,
        input=shown_value(run.input_json),
        output=shown_value(run.output_json),
        output_file=file,
        bounds=None if run.bounds is None else BoundsView.model_validate(run.bounds),
        warnings=[WarningView.model_validate(warning) for warning in run.warnings],
    )


def render_runs(page: Page[Run]) -> RunPage:
    """A page of runs."""
    items = [RunSummary.model_validate(run) for run in page.items]
    return RunPage(items=items, next_page_token=page.next_page_token)


def render_nodes(page: Page[NodeRun]) -> NodePage:
    """A page of nodes, each with its output."""
    items = [
        NodeView.model_validate(node).model_copy(update={"output": shown_value(node.output_json)})
        for node in page.items
    ]
    return NodePage(items=items, next_page_token=page.next_page_token)


def render_session(session: Session) -> SessionView:
    """A session with its state and configuration."""
    values = {"state": shown_map(session.state_json), "configuration": shown_map(session.configuration_json)}
    return SessionView.model_validate(session).model_copy(update=values)


def render_sessions(page: Page[Session]) -> SessionPage:
    """A page of sessions."""
    return SessionPage(items=[render_session(one) for one in page.items], next_page_token=page.next_page_token)


def render_history(page: Page[Event]) -> EventPage:
    """A page of events."""
    return EventPage(items=[render_event(event) for event in page.items], next_page_token=page.next_page_token)


def render_artifact(artifact: ArtifactHead | ArtifactVersion) -> ArtifactView:
    """A version of a file, or its newest."""
    head = artifact.as_head if isinstance(artifact, ArtifactVersion) else artifact
    return ArtifactView(
        name=head.name,
        version=head.head,
        mime_type=head.mime_type,
        size_bytes=head.size_bytes,
        digest=head.digest,
        updated_at=head.updated_at,
    )
