"""The built-in tools, executed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from shared.adapters.tools.calculator import calculator
from shared.adapters.tools.current_time import current_time
from shared.adapters.tools.diff import diff
from shared.adapters.tools.document_analyzer import PDF, document_analyzer, show_document
from shared.adapters.tools.document_reader import LocalDocumentReader
from shared.adapters.tools.file_edit import file_edit
from shared.adapters.tools.file_read import file_read
from shared.adapters.tools.file_write import file_write
from shared.adapters.tools.find import find
from shared.adapters.tools.grep import grep
from shared.adapters.tools.image import image, show_image
from shared.adapters.tools.knowledge import knowledge
from shared.adapters.tools.save_artifact import save_artifact
from shared.adapters.tools.set_state import set_state
from shared.adapters.tools.web_fetch import web_fetch
from shared.adapters.tools.web_search import web_search
from shared.adapters.tools.workspace import Workspace
from shared.domain.errors import DomainError, Internal
from shared.domain.tool_arguments import (
    Arguments,
    CalculatorArguments,
    CurrentTimeArguments,
    DiffArguments,
    DocumentAnalyzerArguments,
    FileEditArguments,
    FileReadArguments,
    FileWriteArguments,
    FindArguments,
    GrepArguments,
    ImageArguments,
    KnowledgeArguments,
    SaveArtifactArguments,
    SetStateArguments,
    WebFetchArguments,
    WebSearchArguments,
)
from shared.domain.tool_specs import BUILT_IN, parse_arguments
from shared.domain.tools import Attachment, ShownFile, ToolCall, ToolResult, ToolSpec
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.ports.tools import ToolContext
from shared.ports.web_client import WebClient
from shared.ports.web_search import WebSearch
from shared.usecases.knowledge.library import Searcher

A = TypeVar("A", bound=Arguments)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Tool(Generic[A]):
    arguments: type[A]
    run: Callable[[A, Workspace], Awaitable[dict[str, Any] | ToolResult]]

    async def call(self, arguments: Mapping[str, Any], workspace: Workspace) -> ToolResult:
        answer = await self.run(parse_arguments(self.arguments, arguments), workspace)
        return answer if isinstance(answer, ToolResult) else ToolResult(answer)


class LocalToolbox:
    """`Toolbox` of the tools that run in this process, on the workspace of the caller's session."""

    def __init__(  # noqa: PLR0913 - each but the first two has a default
        self,
        documents: Documents,
        clock: Clock,
        web_search_engine: WebSearch | None = None,
        web: WebClient | None = None,
        seconds: float = 120.0,
        *,
        searcher: Searcher | None = None,
    ) -> None:
        """Keep what the tools need; without an engine, `web_search` says that there is none, and so do others.

        Args:
            documents: the store.
            clock: for the instants of new versions.
            web_search_engine: the search engine.
            web: for `web_fetch`, and for images and documents of the web.
            seconds: how long one call may take.
            searcher: for `knowledge`.
        """
        self._documents = documents
        self._clock = clock
        self._seconds = seconds
        self._tools: dict[str, _Tool[Any]] = {
            "file_read": _Tool(FileReadArguments, file_read),
            "file_write": _Tool(FileWriteArguments, file_write),
            "file_edit": _Tool(FileEditArguments, file_edit),
            "grep": _Tool(GrepArguments, grep),
            "find": _Tool(FindArguments, find),
            "diff": _Tool(DiffArguments, diff),
            "document_analyzer": _Tool(
                DocumentAnalyzerArguments, partial(document_analyzer, reader=LocalDocumentReader(), web=web)
            ),
            "image": _Tool(ImageArguments, partial(image, web=web)),
            "knowledge": _Tool(KnowledgeArguments, partial(knowledge, searcher=searcher)),
            "save_artifact": _Tool(SaveArtifactArguments, save_artifact),
            "set_state": _Tool(SetStateArguments, set_state),
            "calculator": _Tool(CalculatorArguments, calculator),
            "current_time": _Tool(CurrentTimeArguments, current_time),
            "web_search": _Tool(WebSearchArguments, partial(web_search, search=web_search_engine)),
            "web_fetch": _Tool(WebFetchArguments, partial(web_fetch, web=web, reader=LocalDocumentReader())),
        }

    def find(self, name: str) -> ToolSpec | None:
        """The tool of that name, or None."""
        return BUILT_IN.get(name)

    async def call(self, call: ToolCall, context: ToolContext) -> ToolResult:
        """Execute one call; what goes wrong is a message for the model.

        Raises:
            DomainError: only a retryable one, such as a store that does not answer: the node is tried again.
        """
        tool = self._tools.get(call.name)
        if tool is None:
            return _failure(f"There is no tool {call.name!a}. There are: {', '.join(self._tools)}.")
        try:
            async with asyncio.timeout(self._seconds):
                return await tool.call(call.arguments, self._workspace(call, context))
        except TimeoutError:
            return _failure(f"{call.name} took longer than {self._seconds:g} seconds and was stopped.")
        except DomainError as error:
            if error.retryable:
                raise
            if isinstance(error, Internal):
                _LOG.exception("tool %s failed", call.name)
            return _failure(f"{call.name} failed." if isinstance(error, Internal) else error.message)
        except Exception:  # noqa: BLE001 - whatever a tool does must not end the run
            _LOG.exception("tool %s failed", call.name)
            return _failure(f"{call.name} failed for a reason that is not the call's fault; do not try it again.")

    async def show(self, attachment: Attachment, context: ToolContext) -> ShownFile:
        """As `Toolbox.show`."""
        show = show_document if attachment.mime_type == PDF else show_image
        return await show(attachment, self._workspace(None, context))

    def _workspace(self, call: ToolCall | None, context: ToolContext) -> Workspace:
        return Workspace(
            documents=self._documents,
            clock=self._clock,
            session_id=context.session_id,
            run_id=context.run_id,
            owner_uid=context.owner_uid,
            author=f"runs/{context.run_id}/nodes/{context.instance}",
            config=context.config,
            call="" if call is None else f"{call.step}-{call.call_id}",
        )


def _failure(message: str) -> ToolResult:
    return ToolResult(message, is_error=True)
