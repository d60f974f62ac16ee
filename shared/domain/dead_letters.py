"""Dead letters: what was tried as often as may be without a person, and waits for one now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NewType

from shared.domain.ids import Uid, hashed_id
from shared.domain.records import render
from shared.domain.writes import Put

DeadLetterId = NewType("DeadLetterId", str)

DEAD_LETTERS = "dead_letters"
SUSPECTS = "suspects"
MAX_FRUITLESS = 30
"""So many sweeps in a row may find the same undone, and hand it on, before a person is asked."""
FRUITLESS_PAUSE = timedelta(hours=1)
"""From then on it is still looked at, so seldom."""
SUSPECTS_KEPT = timedelta(days=2)
MAX_REASON_CHARACTERS = 500


class DeadLetterKind(StrEnum):
    """What came to nothing."""

    DELIVERY = "delivery"  # a message to a webhook
    FACT = "fact"  # something that happened, of which nobody could be told
    RUN = "run"  # a run whose nodes are handed to the queue again and again, and never begin
    INGESTION = "ingestion"  # a document of knowledge, likewise


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The document `dead_letters/{id}`, written in the commit that gives its subject up.

    Args:
        owner_uid: whose it is; administrators see everybody's.
        subject: the ids of what came to nothing, by their names.
        reason: what is known of why.
    """

    id: DeadLetterId
    owner_uid: Uid
    kind: DeadLetterKind
    subject: Mapping[str, str]
    reason: str
    died_at: datetime

    @property
    def path(self) -> str:
        """Where it is stored."""
        return dead_letter_path(self.id)


def dead_letter_path(letter_id: DeadLetterId) -> str:
    """Where a dead letter is stored."""
    return f"{DEAD_LETTERS}/{letter_id}"


def dead_letter_id(kind: DeadLetterKind, subject: Mapping[str, str]) -> DeadLetterId:
    """The one dead letter about a subject."""
    return DeadLetterId(hashed_id("dead letter", kind, *(f"{name}={subject[name]}" for name in sorted(subject))))


def suspect_path(letter_id: DeadLetterId) -> str:
    """Where is counted how often sweeps found something undone."""
    return f"{SUSPECTS}/{letter_id}"


def bury(kind: DeadLetterKind, owner_uid: Uid, subject: Mapping[str, str], reason: str, at: datetime) -> Put:
    """The write that gives something up, for the commit that stops trying it."""
    letter = DeadLetter(
        dead_letter_id(kind, subject), owner_uid, kind, dict(subject), reason[:MAX_REASON_CHARACTERS], at
    )
    return Put(letter.path, render(letter))
