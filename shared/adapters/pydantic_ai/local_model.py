"""What the local models have in common: they stream from this process, ask no network, and cost nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponseStreamEvent,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

Piece = str | ToolCallPart
CHARACTERS_PER_TOKEN = 4
"""Local models count tokens by this rule of thumb, so that budgets work with them too."""


class LocalModel(Model[None]):
    """A model that is a program of ours. Its name says so in every response."""

    def __init__(self, name: str, usd_micros_per_token: int = 0) -> None:
        """Go by `local:<name>`, and say that each token costs so much."""
        super().__init__(profile=ModelProfile(supports_image_input=False, supports_document_input=False))
        self._name = f"local:{name}"
        self._usd_micros_per_token = usd_micros_per_token

    @abstractmethod
    def pieces(self, messages: list[ModelMessage], tools: frozenset[str]) -> AsyncGenerator[Piece]:
        """The answer to `messages`, as text to stream and calls of the named tools.

        Raises:
            pydantic_ai.exceptions.ModelHTTPError: where a provider would answer with an error.
        """

    @property
    def model_name(self) -> str:
        """`local:<name>`."""
        return self._name

    @property
    def system(self) -> str:
        """The provider's name in messages."""
        return "local"

    @property
    def provider(self) -> None:
        """No provider: nothing leaves the process."""
        return

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The whole answer at once."""
        stream = self.request_stream(messages, model_settings, model_request_parameters)
        async with stream as response:
            async for _ in response:
                pass
            return response.get()

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The answer as it is made."""
        del run_context
        most = (model_settings or {}).get("max_tokens")
        tools = frozenset(tool.name for tool in model_request_parameters.function_tools)
        async with aclosing(self.pieces(messages, tools)) as pieces:
            yield LocalResponse(
                model_request_parameters=model_request_parameters,
                name=self._name,
                pieces=pieces,
                input_characters=_characters(messages),
                most_characters=None if most is None else most * CHARACTERS_PER_TOKEN,
                usd_micros_per_token=self._usd_micros_per_token,
            )


@dataclass
class LocalResponse(StreamedResponse):
    """A local model's answer on its way."""

    name: str = ""
    pieces: AsyncIterator[Piece] = field(kw_only=True)
    input_characters: int = 0
    most_characters: int | None = None
    usd_micros_per_token: int = 0
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        written = 0
        try:
            async for whole in self.pieces:
                if isinstance(whole, str):
                    piece = whole[: self._left(written)]
                    written += len(piece)
                    for event in self._parts_manager.handle_text_delta(vendor_part_id="text", content=piece):
                        yield event
                    if len(piece) < len(whole):
                        self.finish_reason = "length"
                        return
                else:
                    written += len(whole.args_as_json_str())
                    yield self._parts_manager.handle_part(vendor_part_id=None, part=whole)
            self.finish_reason = "stop"
        finally:
            self._usage = _usage(self.input_characters, written, self.usd_micros_per_token)

    def _left(self, written: int) -> int | None:
        """How many more characters the answer may have."""
        return None if self.most_characters is None else max(self.most_characters - written, 0)

    async def close_stream(self) -> None:
        """Nothing is open: the pieces are closed by whoever opened them."""

    @property
    def model_name(self) -> str:
        """`local:<name>`."""
        return self.name

    @property
    def provider_name(self) -> str:
        """As `LocalModel.system`."""
        return "local"

    @property
    def provider_url(self) -> None:
        """No address: nothing leaves the process."""
        return

    @property
    def timestamp(self) -> datetime:
        """When the answer was begun."""
        return self.made_at


def next_call_id(messages: list[ModelMessage], *parts: int) -> str:
    """An id for a tool call: the same whenever the same conversation is asked again, and unique in it."""
    responses = sum(isinstance(message, ModelResponse) for message in messages)
    return "-".join(("local", str(responses), *map(str, parts)))


def prompt_text(part: UserPromptPart) -> str:
    """The text of a user's part."""
    if isinstance(part.content, str):
        return part.content
    return "\n".join(piece for piece in part.content if isinstance(piece, str))


def _usage(read: int, written: int, usd_micros_per_token: int) -> RequestUsage:
    tokens = [-(-characters // CHARACTERS_PER_TOKEN) for characters in (read, written)]
    cost = Decimal(sum(tokens) * usd_micros_per_token) / 1_000_000
    return RequestUsage(input_tokens=tokens[0], output_tokens=tokens[1], cost=cost)


def _characters(messages: list[ModelMessage]) -> int:
    count = 0
    for message in messages:
        for part in message.parts:
            match part:
                case UserPromptPart():
                    count += len(prompt_text(part))
                case TextPart():
                    count += len(part.content)
                case ToolReturnPart():
                    count += len(part.model_response_str())
                case _:
                    pass
    request = next((message for message in reversed(messages) if isinstance(message, ModelRequest)), None)
    return count + len((request and request.instructions) or "")
