"""What a stub answers, independent of the provider whose protocol it speaks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call in an answer."""

    name: str
    arguments: Mapping[str, Any]


class Ending(Enum):
    """How a stream ends."""

    WHOLE = "with the provider's word that the answer is complete"
    CUT = "in the middle: the connection closes before the body is complete"
    SILENT = "in good order for HTTP, but without the provider's last word, as behind a proxy that gave up"
    ERROR = "with an error of the provider inside the stream"
    NEVER = "never: chunks come until the client goes away"


@dataclass(frozen=True, slots=True)
class Answer:
    """A streamed answer: text, then tool calls."""

    chunks: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    ending: Ending = Ending.WHOLE
    input_tokens: int = 1000
    output_tokens: int = 100


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP error before any stream."""

    status: int
    message: str = "refused by the stub"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    details: Sequence[Mapping[str, Any]] = ()


Reply = Answer | Refusal


class Dialect(Protocol):
    """A provider's protocol: how replies look on its wire."""

    def frames(self, answer: Answer) -> Iterator[bytes]:
        """The server-sent events of an answer; endless if it never ends."""
        ...

    def refusal(self, refusal: Refusal) -> Mapping[str, Any]:
        """The JSON body of an HTTP error."""
        ...
