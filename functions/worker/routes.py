"""Where the queue delivers."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from shared.domain.ids import Instance, RunId
from shared.domain.knowledge import CollectionId, DocumentId
from shared.edge.tasks import Deliverer, acknowledge
from shared.usecases.knowledge.library import Indexer
from shared.usecases.knowledge.tend_knowledge import tend_knowledge
from shared.usecases.nodes.engine import Engine
from shared.usecases.nodes.execute_node import execute_node


class NodeTaskBody(BaseModel):
    """Which node instance to execute; all else is in Firestore."""

    model_config = ConfigDict(extra="forbid")

    run_id: str = Field(min_length=1, max_length=128)
    instance: str = Field(min_length=1, max_length=256)


class IngestTaskBody(BaseModel):
    """Which document of knowledge to look after; None for a collection that was deleted."""

    model_config = ConfigDict(extra="forbid")

    collection_id: str = Field(min_length=1, max_length=128)
    document_id: str | None = Field(min_length=1, max_length=128)


def ingest_routes(indexer: Indexer) -> APIRouter:
    """The route that the queue calls about knowledge."""
    router = APIRouter(tags=["tasks"])

    @router.post("/tasks/ingest", response_model=None)
    async def ingest(_deliverer: Deliverer, task: IngestTaskBody) -> Response:
        """Ingest or remove a document: 200 when there is nothing left to do, 409 to be delivered again."""
        document_id = None if task.document_id is None else DocumentId(task.document_id)
        return await acknowledge(tend_knowledge(indexer, CollectionId(task.collection_id), document_id))

    return router


def task_routes(engine: Engine) -> APIRouter:
    """The routes that the queue calls."""
    router = APIRouter(tags=["tasks"])

    @router.post("/tasks/node", response_model=None)
    async def execute(_deliverer: Deliverer, task: NodeTaskBody) -> Response:
        """Execute a node: 200 when it needs no further delivery, 409 to be delivered again."""
        return await acknowledge(execute_node(engine, RunId(task.run_id), Instance(task.instance)))

    return router
