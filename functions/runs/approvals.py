"""The HTTP face of approvals: the inbox, and what is said to it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from shared.domain.approvals import Approval, ApprovalKind, ApprovalState, Verdict
from shared.domain.decisions import Decision
from shared.domain.ids import ApprovalId
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.json_route import JsonRoute
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.edge.shown_values import shown_value
from shared.usecases.approvals.decide_approval import decide_approval
from shared.usecases.approvals.get_approval import get_approval
from shared.usecases.approvals.list_approvals import COUNTED, count_pending, list_approvals
from shared.usecases.nodes.engine import Core

Reason = Annotated[str | None, Field(default=None, max_length=4000, description="The agent reads it.")]


class ApprovalQuery(PageQuery):
    """Which approvals."""

    state: ApprovalState | None = Field(default=None, description="Every state if left out.")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ApproveBody(_Body):
    """A yes."""

    arguments: dict[str, Any] | None = Field(default=None, description="To call the tool with, instead of the model's.")
    reason: Reason = None


class DenyBody(_Body):
    """A no."""

    reason: Reason = None


class AnswerBody(_Body):
    """An answer."""

    answer: Any = Field(description="Any JSON value.")


class ApprovalView(BaseModel):
    """What is asked, and what was said."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    owner_uid: str
    asked: tuple[str, ...] = Field(description="Who may answer.")
    run_id: str
    session_id: str
    agent_id: str
    instance: str
    kind: ApprovalKind
    message: str
    tool: str | None
    call_id: str | None
    arguments: Any = None
    arguments_schema: Any = Field(default=None, description="JSON Schema of what the tool takes, edited or not.")
    state: ApprovalState
    created_at: datetime
    expires_at: datetime
    default: Verdict = Field(description="What holds when nobody answers in time.")
    default_answer: Any = None
    edited_arguments: Any = None
    answer: Any = None
    reason: str | None
    decided_by: str | None = Field(description="Null where nobody answered in time.")
    decided_at: datetime | None


class ApprovalPage(BaseModel):
    """Approvals, the newest first."""

    items: list[ApprovalView]
    next_page_token: str | None


class CountView(BaseModel):
    """How many approvals wait for you."""

    count: int
    at_most: int = Field(default=COUNTED, description="More are not counted.")


def render_approval(approval: Approval) -> ApprovalView:
    """An approval with its JSON texts parsed."""
    values = {
        "arguments": shown_value(approval.arguments_json),
        "arguments_schema": shown_value(approval.arguments_schema_json),
        "default_answer": shown_value(approval.default_answer_json),
        "edited_arguments": shown_value(approval.edited_arguments_json),
        "answer": shown_value(approval.answer_json),
    }
    return ApprovalView.model_validate(approval).model_copy(update=values)


def approval_routes(core: Core) -> APIRouter:
    """The routes of approvals."""
    router = APIRouter(tags=["approvals"], route_class=JsonRoute)
    documents = core.documents

    @router.get("/approvals", responses=problem_responses(400, 401))
    async def find(caller: Caller, query: Annotated[ApprovalQuery, Query()]) -> ApprovalPage:
        """List what you are or were asked, the newest first."""
        page = await list_approvals(documents, caller.uid, query.state, query.limit, query.page_token)
        return ApprovalPage(items=[render_approval(one) for one in page.items], next_page_token=page.next_page_token)

    @router.get("/approvals/count", responses=problem_responses(401))
    async def count(caller: Caller) -> CountView:
        """Count what waits for your answer."""
        return CountView(count=await count_pending(documents, caller.uid))

    @router.get("/approvals/{approval_id}", responses=problem_responses(401, 404))
    async def read(caller: Caller, approval_id: ResourceId) -> ApprovalView:
        """Read what you are or were asked."""
        return render_approval(await get_approval(documents, caller.uid, ApprovalId(approval_id)))

    async def decide(caller: Caller, approval_id: str, decision: Decision) -> ApprovalView:
        return render_approval(await decide_approval(core, caller.uid, ApprovalId(approval_id), decision))

    decided = problem_responses(400, 401, 404, 409, 503)

    @router.post("/approvals/{approval_id}/approve", responses=decided)
    async def approve(caller: Caller, approval_id: ResourceId, body: ApproveBody | None = None) -> ApprovalView:
        """Say yes; the call is made, with other arguments if you give some. Saying it again changes nothing."""
        said = body or ApproveBody()
        return await decide(caller, approval_id, Decision("approve", arguments=said.arguments, reason=said.reason))

    @router.post("/approvals/{approval_id}/deny", responses=decided)
    async def deny(caller: Caller, approval_id: ResourceId, body: DenyBody | None = None) -> ApprovalView:
        """Say no; the agent is told, with your reason."""
        said = body or DenyBody()
        return await decide(caller, approval_id, Decision("deny", reason=said.reason))

    @router.post("/approvals/{approval_id}/answer", responses=decided)
    async def answer(caller: Caller, approval_id: ResourceId, body: AnswerBody) -> ApprovalView:
        """Answer a question; or tell what a call came to whose end nobody knows."""
        return await decide(caller, approval_id, Decision("answer", answer=body.answer))

    return router
