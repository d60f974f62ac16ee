"""What a listener shows of a node that runs: the pieces of its text, in whatever order they arrive.

Firestore tells a listener the present state, not the history: it may skip revisions, repeat
documents after a reconnect, and mix the writes of a worker that died with those of its successor.
The rules here make all of that come out the same. `web/stream_merge.js` follows the same rules, and
`tests/data/stream_merge_cases.json` holds both to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StepView:
    """What there is to show of one step (one model response) of a node.

    Args:
        step: its number, from 0.
        text: as much of its text as is known without a gap.
        parts: tool events and the like that came with the text, in order.
        ended: this try will bring no more text; a later try may still replace it.
        complete: the text is whole and final.
    """

    step: int
    text: str
    parts: tuple[Any, ...] = ()
    ended: bool = False
    complete: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """One segment as last seen; `start` is its offset in characters (code points)."""

    rev: int
    start: int
    text: str
    parts: tuple[Any, ...]
    final: bool
    cached: bool

    def is_newer_than(self, other: _Piece | None) -> bool:
        """Whether this replaces `other`: a higher revision, or the server confirms the cache."""
        return other is None or (self.rev, other.cached) > (other.rev, self.cached)


@dataclass(slots=True)
class _Step:
    """The pieces of a step's highest try, by number; or its whole text, once an event told it."""

    attempt: int = -1
    pieces: dict[int, _Piece] = field(default_factory=dict[int, _Piece])
    whole: str | None = None
    confirmed: bool = False

    def add(self, attempt: int, number: int, piece: _Piece) -> bool:
        """Take a piece in; False where it tells nothing new."""
        if self.whole is not None or attempt < self.attempt:
            return False
        if attempt > self.attempt:
            self.attempt, self.pieces = attempt, {}
        if not piece.is_newer_than(self.pieces.get(number)):
            return False
        self.pieces[number] = piece
        return True

    def settle(self, text: str, *, cached: bool) -> bool:
        """Take the whole text in; False where it was known."""
        if self.whole is not None and (self.confirmed or cached):
            return False
        self.whole, self.confirmed = text, not cached
        self.pieces = {}
        return True

    def view(self, step: int) -> StepView:
        """What there is to show."""
        if self.whole is not None:
            return StepView(step, self.whole, ended=self.confirmed, complete=self.confirmed)
        prefix = tuple(self._contiguous())
        return StepView(
            step,
            "".join(piece.text for piece in prefix),
            tuple(part for piece in prefix for part in piece.parts),
            ended=bool(prefix) and prefix[-1].final and not any(piece.cached for piece in prefix),
        )

    def _contiguous(self) -> Iterator[_Piece]:
        """The pieces from 0 up to the first that is missing or follows an old revision."""
        length = 0
        for number in range(len(self.pieces)):
            piece = self.pieces.get(number)
            if piece is None or piece.start != length:
                return
            length += len(piece.text)
            yield piece


class StreamMerge:
    """The live output of one node, as one listener sees it.

    Give it whatever arrives: segments (`add`), the events that end a step (`settle`) and the node's
    end (`end`). Do not give it removals: segments expire, what they said does not. What comes from
    a local cache is given as `cached`: it is shown, but never completes anything.
    """

    __slots__ = ("_confirmed", "_output", "_steps")

    def __init__(self) -> None:
        self._steps: dict[int, _Step] = {}
        self._output: str | None = None
        self._confirmed = False

    def add(self, segment: Mapping[str, Any], *, cached: bool = False) -> bool:
        """Take in a segment document's fields; False where they tell nothing new."""
        piece = _Piece(
            rev=segment["rev"],
            start=segment["start"],
            text=segment["text"],
            parts=tuple(segment.get("parts", ())),
            final=segment["final"],
            cached=cached,
        )
        step = self._steps.setdefault(segment["step"], _Step())
        return step.add(segment["try"], segment["n"], piece) and self._output is None

    def settle(self, step: int, text: str, *, cached: bool = False) -> bool:
        """Take in the event that ended a step: its whole text, which replaces the segments."""
        return self._steps.setdefault(step, _Step()).settle(text, cached=cached) and self._output is None

    def end(self, output: str | None, *, cached: bool = False) -> bool:
        """Take in the node's end: its output replaces everything, None (it failed) nothing."""
        known = self._output is not None and (self._confirmed or cached)
        if output is None or known:
            return False
        self._output, self._confirmed = output, not cached
        return True

    @property
    def steps(self) -> tuple[StepView, ...]:
        """Every step of which something was heard; none once the node's output is there."""
        if self._output is not None:
            return ()
        return tuple(self._steps[number].view(number) for number in sorted(self._steps))

    @property
    def text(self) -> str:
        """The node's output once it is there, before that the text of the latest step."""
        return self.heard if self._output is None else self._output

    @property
    def heard(self) -> str:
        """What the latest step said, as far as it was heard; the node's end does not replace it."""
        latest = max(self._steps, default=None)
        return "" if latest is None else self._steps[latest].view(latest).text

    @property
    def live(self) -> str:
        """What the latest step says and no event holds yet; the node's end alone does not hold it."""
        latest = max(self._steps, default=None)
        if latest is None or self._steps[latest].whole is not None:
            return ""
        return self.heard

    @property
    def complete(self) -> bool:
        """Whether the node ended, so that `text` is its output."""
        return self._confirmed
