"""Words for authors: what they may have meant, and what a schema says in plain language."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_BEGINNINGS = {
    "Field required": "is missing",
    "Extra inputs are not permitted": "is not a known key here",
    "Input should be a valid string": "must be text",
    "Input should be a valid integer": "must be a whole number",
    "Input should be a valid dictionary or object to extract fields from": "must be a map of names to values",
    "Input should be a valid dictionary": "must be a map of names to values",
    "Input should be a valid list": "must be a list",
    "Input should be a valid boolean": "must be true or false",
    "Input should be": "must be",
    "Input should have": "must have",
    "String should have": "must have",
    "List should have": "must have",
    "Tuple should have": "must have",
    "Dictionary should have": "must have",
}


_LONGEST = 100
_MOST = 1000


def closest(given: str, known: Iterable[str]) -> str | None:
    """The known name that is most like the given one, if any is like it; looked for in the first thousand."""
    if len(given) > _LONGEST:
        return None
    found = get_close_matches(given.lower(), list(islice(known, _MOST)), n=1, cutoff=0.6)
    return found[0] if found else None


def plain(message: str) -> str:
    """A message of Pydantic's, to follow a path: 'must be greater than 0'."""
    text = message.removeprefix("Value error, ")
    for beginning, plainer in _BEGINNINGS.items():
        if text.startswith(beginning):
            return plainer + text.removeprefix(beginning)
    return text[:1].lower() + text[1:]
