"""Secrets that people store for their tools: named in definitions, shown nowhere.

A name belongs to one person. Its document, `users/{uid}/secrets/{name}`, says which entry of the secret store holds the
value, and which entries were replaced and are still to be destroyed: an entry is noted before it is written, so that
no crash leaves one that nothing names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any, NewType, cast

from pydantic import StringConstraints

from shared.domain.errors import FailedPrecondition
from shared.domain.ids import Uid

EntryId = NewType("EntryId", str)
"""An entry of the secret store: letters and digits, never used twice."""

NAME_PATTERN = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
SecretName = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]

MIN_SECRET_CHARACTERS = 8
"""What is shorter can be guessed, and cannot be told from other text when it must be taken out of it."""
MAX_SECRET_BYTES = 65_536
"""In UTF-8. Source: https://cloud.google.com/secret-manager/quotas"""
MAX_SECRETS = 100
"""How many one person may have."""
LONGEST_WRITE = timedelta(minutes=10)
"""No request lasts as long; an entry that is pending for longer was left by a process that died."""

_REFERENCE_KEY = "secret"
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]+")


@dataclass(frozen=True, slots=True)
class SecretText:
    """A value that does not show itself by accident: neither as text, nor in a traceback, nor in a record."""

    _value: str = field(repr=False)

    def reveal(self) -> str:
        """The value; only for what sends or stores it."""
        return self._value

    def reveal_for_header(self) -> str:
        """The value as it may stand in an HTTP header.

        HTTP libraries quote a malformed header in their errors; so it is refused before they see it.

        Raises:
            FailedPrecondition: it has line breaks, or characters outside of ASCII.
        """
        value = self._value.strip()
        if not _HEADER_VALUE.fullmatch(value):
            raise FailedPrecondition("The secret cannot be sent in a header: it has line breaks or is not ASCII.")
        return value

    def __str__(self) -> str:
        return "[secret]"


@dataclass(frozen=True, slots=True)
class StoredSecret:
    """The document `users/{uid}/secrets/{name}`.

    Args:
        entry: where the value is; None before the first value is written and after the secret was deleted.
        is_stored: whether there is a value, so that lists can ask for it.
        pending: entries that are being written, and since when.
        discarded: entries that were replaced, and must be destroyed.
    """

    name: str
    owner_uid: Uid
    created_at: datetime
    updated_at: datetime
    entry: EntryId | None = None
    is_stored: bool = False
    pending: Mapping[str, datetime] = field(default_factory=dict[str, datetime])
    discarded: tuple[EntryId, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it names no entry at all, so that its document can go."""
        return not (self.is_stored or self.pending or self.discarded)

    def noting(self, entry: EntryId, now: datetime) -> StoredSecret:
        """With an entry that is about to be written."""
        return replace(self, pending={**self.pending, entry: now})

    def pointing_at(self, entry: EntryId, now: datetime) -> StoredSecret:
        """With the entry, which has been written, as its value."""
        return replace(
            self.without_value(),
            entry=entry,
            is_stored=True,
            pending={other: since for other, since in self.pending.items() if other != entry},
            created_at=self.created_at if self.is_stored else now,
            updated_at=now,
        )

    def without_value(self) -> StoredSecret:
        """With its value, if it has one, among those to be destroyed."""
        replaced = () if self.entry is None else (self.entry,)
        return replace(self, entry=None, is_stored=False, discarded=(*self.discarded, *replaced))

    def stale(self, now: datetime) -> tuple[EntryId, ...]:
        """The entries to destroy: replaced ones, and those of writers that must have died."""
        lost = (EntryId(entry) for entry, since in self.pending.items() if now - since > LONGEST_WRITE)
        return (*self.discarded, *lost)

    def forgetting(self, destroyed: tuple[EntryId, ...]) -> StoredSecret:
        """Without entries that exist no longer."""
        return replace(
            self,
            pending={entry: since for entry, since in self.pending.items() if entry not in destroyed},
            discarded=tuple(entry for entry in self.discarded if entry not in destroyed),
        )


def secrets_path(owner: Uid) -> str:
    """Where a person's secrets are named."""
    return f"users/{owner}/secrets"


def secret_path(owner: Uid, name: str) -> str:
    """Where a secret is named."""
    return f"{secrets_path(owner)}/{name}"


def secret_fault(value: str) -> str | None:
    """Why this is not kept as a secret, or None. The reason does not contain the value."""
    if len(value.strip()) < MIN_SECRET_CHARACTERS:
        return f"a secret has at least {MIN_SECRET_CHARACTERS} characters"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return "a secret is valid Unicode text"
    return f"a secret has at most {MAX_SECRET_BYTES:,} bytes" if size > MAX_SECRET_BYTES else None


def is_reference(value: Any) -> bool:
    """Whether this part of a definition stands for a secret: `{"secret": "name"}`, and nothing else in it."""
    if not isinstance(value, dict):
        return False
    fields = cast("dict[Any, Any]", value)
    return fields.keys() == {_REFERENCE_KEY} and isinstance(fields[_REFERENCE_KEY], str)


def secrets_in(value: Any) -> frozenset[str]:
    """The names of all secrets that a part of a definition refers to."""
    return frozenset(_names(value))


def _names(value: Any) -> Iterator[str]:
    if is_reference(value):
        yield value[_REFERENCE_KEY]
    elif isinstance(value, dict):
        for part in cast("dict[Any, Any]", value).values():
            yield from _names(part)
    elif isinstance(value, list | tuple):
        for part in cast("Iterable[Any]", value):
            yield from _names(part)
