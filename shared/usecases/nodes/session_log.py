"""Append to a session's log, as the only writer it has at a time."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.events import Event, append
from shared.domain.ids import SessionId
from shared.domain.sessions import slot_path
from shared.domain.writes import Update, Write


class SessionLog:
    """The log of the session whose slot the present run owns; the next number is read after claiming."""

    def __init__(self, session_id: SessionId, next_seq: int) -> None:
        """Go on at `next_seq`."""
        self.session_id = session_id
        self.next_seq = next_seq

    def writes(self, *events: Event) -> list[Write]:
        """The writes that append `events` under the next numbers and count them."""
        numbered = [replace(event, seq=self.next_seq + n) for n, event in enumerate(events)]
        counted = Update(slot_path(self.session_id), {"next_seq": self.next_seq + len(events)})
        return [*(append(self.session_id, event) for event in numbered), counted]

    def appended(self, event: Event) -> Event:
        """Note that the event was committed: it, with its number."""
        numbered = replace(event, seq=self.next_seq)
        self.next_seq += 1
        return numbered
