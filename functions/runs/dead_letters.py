"""The HTTP face of dead letters."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from shared.domain.dead_letters import DeadLetterId, DeadLetterKind
from shared.edge.app import problem_responses
from shared.edge.auth import Caller
from shared.edge.page_query import PageQuery
from shared.edge.path_ids import ResourceId
from shared.usecases.dead_letters.list_dead_letters import list_dead_letters
from shared.usecases.dead_letters.settle_dead_letter import Undertaker, discard_dead_letter, requeue_dead_letter


class DeadLetterQuery(PageQuery):
    """Which dead letters."""

    of_everyone: bool = Field(default=False, description="Everybody's, for administrators.")


class DeadLetterView(BaseModel):
    """Something that was tried as often as may be."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    owner_uid: str
    kind: DeadLetterKind
    subject: dict[str, str] = Field(description="The ids of what it is about.")
    reason: str
    died_at: datetime


class DeadLetterPage(BaseModel):
    """A page of dead letters."""

    items: list[DeadLetterView]
    next_page_token: str | None


def dead_letter_routes(undertaker: Undertaker) -> APIRouter:
    """The routes that list and settle what needs a person."""
    router = APIRouter(tags=["dead_letters"])

    @router.get("/dead-letters", responses=problem_responses(400, 401, 403))
    async def find(caller: Caller, query: Annotated[DeadLetterQuery, Query()]) -> DeadLetterPage:
        """List what came to nothing however often it was tried, the latest first."""
        page = await list_dead_letters(
            undertaker.core.documents, caller, query.limit, query.page_token, of_everyone=query.of_everyone
        )
        items = [DeadLetterView.model_validate(letter) for letter in page.items]
        return DeadLetterPage(items=items, next_page_token=page.next_page_token)

    @router.post(
        "/dead-letters/{letter_id}/requeue", status_code=204, responses=problem_responses(400, 401, 404, 409, 503)
    )
    async def requeue(caller: Caller, letter_id: ResourceId) -> None:
        """Let it be tried again, as often as the first time."""
        await requeue_dead_letter(undertaker, caller, DeadLetterId(letter_id))

    @router.post("/dead-letters/{letter_id}/discard", status_code=204, responses=problem_responses(401, 404, 409, 503))
    async def discard(caller: Caller, letter_id: ResourceId) -> None:
        """Leave it so: what it is about is not tried again; a run is cancelled."""
        await discard_dead_letter(undertaker, caller, DeadLetterId(letter_id))

    return router
