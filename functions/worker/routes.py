"""Where the queue delivers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from shared.domain.ids import Instance, RunId
from shared.edge.tasks import Deliverer, acknowledge
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.execute_node import execute_node


class NodeTaskBody(BaseModel):
    """Which node instance to execute; all else is in Firestore."""

    model_config = ConfigDict(extra="forbid")

    run_id: str = Field(min_length=1, max_length=128)
    instance: str = Field(min_length=1, max_length=256)


def task_routes(engine: Engine) -> APIRouter:
    """The routes that the queue calls."""
    router = APIRouter(tags=["tasks"])

    @router.post("/tasks/node", response_model=None)
    async def execute(_deliverer: Deliverer, task: NodeTaskBody) -> Response:
        """Execute a node: 200 when it needs no further delivery, 409 to be delivered again."""
        return await acknowledge(execute_node(engine, RunId(task.run_id), Instance(task.instance)))

    return router
