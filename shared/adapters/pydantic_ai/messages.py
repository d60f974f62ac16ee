"""Model messages as the JSON texts that the journal and the session keep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pydantic import ValidationError
from pydantic_ai.messages import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
    repair_messages,
)

from shared.adapters.pydantic_ai.files import without_files
from shared.domain.errors import FailedPrecondition


@dataclass(frozen=True, slots=True)
class Memory:
    """What was said in earlier turns.

    Args:
        messages: the readable messages, made whole: every tool call has a result and every result its call.
        lost: the places of the messages that could not be read, counted from 1.
    """

    messages: list[ModelMessage]
    lost: tuple[int, ...]

    def note(self) -> str | None:
        """What to tell the model about the lost messages; None if nothing was lost."""
        if not self.lost:
            return None
        places = ", ".join(map(str, self.lost[:20])) + (", ..." if len(self.lost) > 20 else "")  # noqa: PLR2004 - enough to see where
        return (
            f"System note: {len(self.lost)} stored message(s) of this conversation could not be read and"
            f" are missing from what you see (message {places}). Say so if the answer depends on them."
        )


def render_message(message: ModelMessage) -> str:
    """One message as JSON, with references in the place of files.

    Instructions are left out: each run sets its own, so they would only pile up.
    """
    if isinstance(message, ModelRequest):
        message = without_files(replace(message, instructions=None))
    # The library's adapter is for lists; one of its own for a single message costs as much to build again.
    return ModelMessagesTypeAdapter.dump_json([message])[1:-1].decode()


def parse_message(text: str) -> ModelMessage:
    """The message that `text` is.

    Raises:
        ValidationError: it is not one.
    """
    (message,) = ModelMessagesTypeAdapter.validate_json(f"[{text}]")
    return message


def recall(history: Iterable[str]) -> Memory:
    """The earlier turns, without what is damaged: one bad message must not end a conversation."""
    messages: list[ModelMessage] = []
    lost: list[int] = []
    for place, text in enumerate(history, start=1):
        try:
            messages.append(parse_message(text))
        except ValueError:  # also a ValidationError, and a text that is not one message
            lost.append(place)
    return Memory(repair_messages(messages), tuple(lost))


def parse_recorded(recorded: Sequence[str]) -> list[ModelMessage]:
    """The journalled messages of this turn.

    Raises:
        FailedPrecondition: they cannot be read or do not end in a response, so that going on would repeat work.
    """
    try:
        messages = [parse_message(text) for text in recorded]
    except ValidationError as error:
        raise FailedPrecondition("The journal of this node cannot be read.") from error
    if messages and not isinstance(messages[-1], ModelResponse):
        raise FailedPrecondition("The journal of this node does not end in a model response.")
    return messages


def visible_text(response: ModelResponse) -> str:
    """The text of a response as a reader sees it: its text parts, joined as they were streamed."""
    return "".join(part.content for part in response.parts if isinstance(part, TextPart))


def render_exchange(prompt: str, output: str) -> tuple[str, str]:
    """A prompt and its answer as two messages, for a turn that no single agent answered."""
    return (
        render_message(ModelRequest(parts=[UserPromptPart(prompt)])),
        render_message(ModelResponse(parts=[TextPart(output)])),
    )
