"""What requests about runs and sessions carry."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from shared.domain.definitions import RunBudget
from shared.domain.states import RunState
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.edge.run_input import RunInput
from shared.edge.version_refs import VersionRefParameter
from shared.usecases.runs.start_run import IfBusy


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class BudgetBody(RunBudget):
    """What a run may consume; where the agent has a budget too, the tighter limit holds."""


class ExecutionBody(_Body):
    """What to run an agent on."""

    version: VersionRefParameter | None = Field(default=None, description="The latest if left out.")
    session_id: ResourceId | None = Field(default=None, description="A new session if left out.")
    input: RunInput = Field(description="Text, or an object with the person's words as `text`.")
    if_busy: IfBusy = Field(default="reject", description="What to do while the session has an active run.")
    budget: BudgetBody = Field(default=BudgetBody(), description="What the run may consume.")


class RunBody(ExecutionBody):
    """What to run."""

    agent_id: ResourceId | None = Field(default=None, description="May be left out where there is a session.")


class RepeatBody(_Body):
    """How to repeat a run."""

    if_busy: IfBusy = Field(default="reject", description="What to do while the session has an active run.")


class ReplayBody(RepeatBody):
    """From where to replay a run, and on what."""

    from_: str = Field(alias="from", min_length=1, max_length=200, description="A node of the run's graph.")
    input: RunInput | None = Field(
        default=None, description="What the nodes that work again see as the run's input; as before if left out."
    )


class WorkflowBody(RunBody):
    """What to run: an agent, or a definition of its own."""

    definition: dict[str, Any] | None = Field(
        default=None, description="What an agent's definition says, in place of an agent. It is kept with the run only."
    )


class SessionBody(_Body):
    """What a session starts with."""

    agent_id: ResourceId
    version: VersionRefParameter | None = Field(default=None, description="The latest if left out.")
    external_session_id: str | None = Field(default=None, min_length=1, max_length=200)
    title: str | None = Field(default=None, max_length=200)
    state: dict[str, Any] = Field(default_factory=dict)
    configuration: dict[str, Any] = Field(default_factory=dict)


class ForkBody(_Body):
    """Where to fork a session."""

    at_seq: int | None = Field(
        default=None, ge=0, description="The last event to copy; all if left out. A turn is copied whole or not at all."
    )


class RunQuery(PageQuery):
    """Which runs: of a session, or by agent and state."""

    session_id: ResourceId | None = None
    agent_id: ResourceId | None = None
    state: RunState | None = None


class SessionQuery(PageQuery):
    """Which sessions."""

    agent_id: ResourceId | None = None
    shared: bool = Field(default=False, description="List those that others let you read, instead of your own.")


class HistoryQuery(PageQuery):
    """Which events."""

    newest_first: bool = False


class ArtifactQuery(PageQuery):
    """Which file, or which files."""

    name: str | None = Field(default=None, description="One file's name; all are listed if left out.")
    version: int | None = Field(default=None, ge=1, description="The newest if left out.")
    prefix: str = Field(default="", max_length=512, description="List names that begin so.")
