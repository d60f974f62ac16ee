"""Segments: the live preview of a node's output, as small documents that a listener receives.

The current segment is rewritten (its `rev` grows) until it holds about 1 KB or was written 8 times; then the next
opens. So a long answer costs bytes in proportion to its length, and whoever joins late reads few documents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from shared.domain.ids import Instance, RunId, Uid

FULL_CHARACTERS = 1024
FULL_REVISIONS = 8
WRITE_CHARACTERS = 64 * 1024
"""The most text one write carries."""
KEPT = timedelta(days=1)
TRIES_PER_ATTEMPT = 100
_PAUSES = ((1.0, 0.1), (3.0, 0.25))
"""Up to which age, in seconds, how long a pause."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The document `…/segments/{step:04}-{try:04}-{n:06}`.

    Args:
        step: the model response it previews, from 0.
        try_: which try at that step; a higher one makes the lower ones void.
        n: its number within the try, from 0.
        rev: how often it was written before.
        start: position of its text in the step's text, in characters.
        parts: tool calls, as they were asked for.
        final: the step ends with this segment.
    """

    owner_uid: Uid
    step: int
    try_: int
    n: int
    rev: int
    start: int
    text: str
    expires_at: datetime
    parts: tuple[dict[str, Any], ...] = field(default_factory=tuple)
    final: bool = False

    @property
    def id(self) -> str:
        """Its document id; sorts by step, try and number."""
        return f"{step_id(self.step)}-{self.try_:04}-{self.n:06}"

    @property
    def is_full(self) -> bool:
        """Whether more text opens the next segment."""
        return len(self.text) >= FULL_CHARACTERS or self.rev + 1 >= FULL_REVISIONS

    def fields(self) -> dict[str, Any]:
        """The stored fields."""
        return {
            "owner_uid": self.owner_uid,
            "step": self.step,
            "try": self.try_,
            "n": self.n,
            "rev": self.rev,
            "start": self.start,
            "text": self.text,
            "parts": list(self.parts),
            "final": self.final,
            "expires_at": self.expires_at,
        }


def segments_path(run_id: RunId, instance: Instance) -> str:
    """The collection of a node run's segments."""
    return f"runs/{run_id}/nodes/{instance}/segments"


def step_id(step: int) -> str:
    """What the ids of a step's segments begin with."""
    return f"{step:04}"


def first_try(attempt: int) -> int:
    """The first try number of an attempt: above every try of the attempts before."""
    return (attempt - 1) * TRIES_PER_ATTEMPT


def shown_text(segments: Sequence[Mapping[str, Any]], step: int) -> str:
    """The text of a step's last try, as far as it is known without a gap; of the fields of segments, in their order."""
    last = max((segment["try"] for segment in segments if segment["step"] == step), default=None)
    text = ""
    for segment in segments:
        if (segment["step"], segment["try"]) == (step, last) and segment["start"] == len(text):
            text += segment["text"]
    return text


def flush_pause_seconds(age_seconds: float) -> float:
    """How long deltas gather before the next write: longer as the answer grows; the first is written at once."""
    return next((pause for until, pause in _PAUSES if age_seconds < until), 0.5)
