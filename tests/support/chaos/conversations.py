"""What was said in each session, as commits so far made it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.domain.ids import RunId


@dataclass(slots=True)
class Conversation:
    """What was said in a session.

    Args:
        events: its log, each event as it was written.
        messages: what models are told of it.
        speakers: which run left each of the messages.
    """

    events: list[Mapping[str, Any]] = field(default_factory=list[Mapping[str, Any]])
    messages: list[str] = field(default_factory=list[str])
    speakers: list[RunId] = field(default_factory=list[RunId])

    def told(self, fields: Mapping[str, Any]) -> None:
        """Add a message that models are told."""
        self.messages.append(fields["message_json"])
        self.speakers.append(fields["run_id"])

    def history(self, turns: Mapping[RunId, RunId], turn: RunId) -> list[str]:
        """What a run that answers a turn is told: of each other turn what its latest run left."""
        latest = {turns[speaker]: speaker for speaker in self.speakers if turns[speaker] != turn}
        said = zip(self.messages, self.speakers, strict=True)
        return [text for text, speaker in said if speaker in latest.values()]

    def until(self, seq: int) -> Conversation:
        """What was said in the turns that were over at an event."""
        ends = [event["seq"] for event in self.events[:seq] if event["turn_complete"]]
        events = self.events[: ends[-1] if ends else 0]
        runs = {event["run_id"] for event in events}
        said = [one for one in zip(self.messages, self.speakers, strict=True) if one[1] in runs]
        return Conversation(events, [text for text, _ in said], [speaker for _, speaker in said])
