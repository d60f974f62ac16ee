"""`local:scripted`: plays the script in its definition, for demos, front-end work and tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence

from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelOverloadedError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelServerError,
    ModelUnavailableError,
)
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from shared.adapters.pydantic_ai.local_model import (
    LocalModel,
    Piece,
    next_call_id,
    prompt_text,
)
from shared.domain.model_specs import ScriptedError, ScriptedRule

NO_RULE = "local:scripted has no rule for this message."

_CATEGORIES: dict[int, type[ModelAPIError]] = {
    401: ModelAuthenticationError,
    403: ModelAuthenticationError,
    404: ModelNotFoundError,
    429: ModelRateLimitError,
    503: ModelUnavailableError,
    529: ModelOverloadedError,
}


class ScriptedModel(LocalModel):
    """The first rule whose `when` is in the last user text answers: its calls first, then its chunks.

    When results of tools have come, a later rule that names part of them takes over from the rule that called, so
    that scripts can call one tool after another.
    """

    def __init__(
        self,
        script: Sequence[ScriptedRule],
        attempt: int,
        sleep: Callable[[float], Awaitable[None]],
        usd_micros_per_token: int = 0,
    ) -> None:
        """Play `script` in the node's attempt number `attempt`, pausing with `sleep`."""
        super().__init__("scripted", usd_micros_per_token)
        self._script = tuple(script)
        self._attempt = attempt
        self._sleep = sleep

    async def pieces(self, messages: list[ModelMessage], tools: frozenset[str]) -> AsyncGenerator[Piece]:
        """The answer of the rule whose turn it is."""
        del tools  # a script may name a tool that does not exist: that is a thing to try
        place, called = self._place(messages)
        if place is None:
            yield NO_RULE
            return
        rule = self._script[place]
        if rule.error is not None and rule.error.after_chunks is None and not called:
            self._raise(rule.error)
        if rule.calls and not called:
            for number, call in enumerate(rule.calls):
                call_id = next_call_id(messages, place, number)
                yield ToolCallPart(call.name, dict(call.arguments), tool_call_id=call_id)
            return
        async for chunk in self._chunks(rule):
            yield chunk

    def _place(self, messages: list[ModelMessage]) -> tuple[int | None, bool]:
        """The rule whose turn it is, and whether its calls are made."""
        owner = _caller_in(messages)
        if owner is not None:
            place = self._first(_last_results(messages), after=owner)
            return (owner, True) if place is None else (place, False)
        return self._first(_last_user_text(messages)), False

    def _first(self, text: str, after: int | None = None) -> int | None:
        """The first rule that `text` calls for; after a rule only a later one that says when."""
        sought = text.casefold()
        for place, rule in enumerate(self._script):
            if after is not None and (place <= after or not rule.when):
                continue
            if rule.when.casefold() in sought:
                return place
        return None

    async def _chunks(self, rule: ScriptedRule) -> AsyncGenerator[str]:
        stop = rule.error.after_chunks if rule.error is not None else None
        for number in range(len(rule.chunks) * rule.repeat):
            if rule.error is not None and number == stop:
                self._raise(rule.error)
            if rule.delay_seconds:
                await self._sleep(rule.delay_seconds)
            yield rule.chunks[number % len(rule.chunks)]
        if rule.error is not None and stop is not None and stop >= len(rule.chunks) * rule.repeat:
            self._raise(rule.error)

    def _raise(self, error: ScriptedError) -> None:
        if error.until_attempt is not None and self._attempt > error.until_attempt:
            return
        category = _CATEGORIES.get(
            error.status,
            ModelServerError if error.status >= 500 else ModelRequestRejectedError,  # noqa: PLR2004 - HTTP's own border
        )
        raise ModelHTTPError.for_category(
            category,  # pyright: ignore[reportArgumentType] - all of these are categories
            status_code=error.status,
            model_name=self.model_name,
            body={"error": {"message": error.message}},
        )


def _caller_in(messages: list[ModelMessage]) -> int | None:
    """The rule whose calls the last request answers, as its call ids tell."""
    last = messages[-1]
    if isinstance(last, ModelRequest):
        for part in last.parts:
            if isinstance(part, ToolReturnPart):
                pieces = part.tool_call_id.split("-")
                if pieces[0] == "local" and len(pieces) == 4:  # noqa: PLR2004 - local, responses, rule, call
                    return int(pieces[2])
    return None


def _last_results(messages: list[ModelMessage]) -> str:
    return "\n".join(part.model_response_str() for part in messages[-1].parts if isinstance(part, ToolReturnPart))


def _last_user_text(messages: list[ModelMessage]) -> str:
    for message in reversed(messages):
        if isinstance(message, ModelResponse):
            continue
        texts = [prompt_text(part) for part in message.parts if isinstance(part, UserPromptPart)]
        if texts:
            return "\n".join(texts)
    return ""
