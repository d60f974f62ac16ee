"""Where facts are pushed, and where messages to webhooks are handed in."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from shared.domain.facts import FactId
from shared.domain.ids import DeliveryId
from shared.edge.app import problem_responses
from shared.edge.logs import logger
from shared.edge.path_ids import is_id
from shared.edge.pushes import Push, Pusher
from shared.edge.tasks import Deliverer, acknowledge
from shared.usecases.facts.hear_fact import hear_fact
from shared.usecases.webhooks.deliver_message import deliver_message
from shared.usecases.webhooks.desk import Courier, Desk


class DeliveryTaskBody(BaseModel):
    """Which delivery to try; all else is in Firestore."""

    model_config = ConfigDict(extra="forbid")

    delivery_id: str = Field(min_length=1, max_length=128)


def fact_routes(desk: Desk) -> APIRouter:
    """The route that the subscription calls."""
    router = APIRouter(tags=["pushes"])

    @router.post("/pushes/facts", response_model=None, responses=problem_responses(401, 503))
    async def hear(_pusher: Pusher, push: Push) -> Response:
        """Hear a fact: 200 when nothing is left to do, 503 to be told again."""
        said = push.read() or {}
        fact_id = said.get("fact_id")
        if not isinstance(fact_id, str) or not is_id(fact_id):
            # Told again it would say the same; the fact itself, if there is one, is published again by the sweeper.
            logger.error("dropped a message that names no fact")
            return JSONResponse({"status": "dropped"})
        heard = await hear_fact(desk, FactId(fact_id))
        return JSONResponse({"status": "heard" if heard else "known"})

    return router


def delivery_routes(courier: Courier) -> APIRouter:
    """The route that the queue calls."""
    router = APIRouter(tags=["tasks"])

    @router.post("/tasks/delivery", response_model=None)
    async def deliver(_deliverer: Deliverer, task: DeliveryTaskBody) -> Response:
        """Try to deliver a message: 200 when this task has done what it can."""
        return await acknowledge(deliver_message(courier, DeliveryId(task.delivery_id)))

    return router
