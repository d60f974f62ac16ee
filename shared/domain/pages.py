"""Pages of lists: a bounded number of items, and a token that continues after the last of them."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from types import UnionType
from typing import Any, Generic, TypeVar, cast

from shared.domain.errors import Fault, InvalidArgument
from shared.domain.ids import hashed_id

T = TypeVar("T")

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items of a list, in its order; `next_page_token` is None at the end."""

    items: tuple[T, ...]
    next_page_token: str | None = None


def write_token(question: str, after: tuple[Any, ...]) -> str:
    """A token that continues the list that answers `question` after the item with these sort keys.

    Args:
        question: what is listed and how: a token continues no other list.
        after: texts, numbers, booleans, null and instants.
    """
    keys = [{"at": key.isoformat()} if isinstance(key, datetime) else key for key in after]
    text = json.dumps([_mark(question), keys], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_token(question: str, token: str, *kinds: type | UnionType) -> tuple[Any, ...]:
    """The sort keys in a token, of these kinds. Whoever forges a token can only ask for another page.

    Raises:
        InvalidArgument: the token was not made by `write_token` for this question.
    """
    try:
        text = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        mark, keys = cast("list[Any]", json.loads(text))
        after = tuple(_key(key) for key in cast("list[Any]", keys))
    except (ValueError, TypeError, KeyError, binascii.Error, RecursionError):
        raise _refusal() from None
    if mark != _mark(question) or len(after) != len(kinds) or not all(map(isinstance, after, kinds)):
        raise _refusal()
    return after


def _key(key: Any) -> Any:
    if isinstance(key, dict):
        return datetime.fromisoformat(cast("dict[str, str]", key)["at"])
    if not isinstance(key, str | int | float | None):
        raise TypeError(key)
    return key


def _mark(question: str) -> str:
    return hashed_id(question)[:12]


def _refusal() -> InvalidArgument:
    reason = "is not a token of this list; leave it out to start at the beginning"
    return InvalidArgument("The page token is not valid.", (Fault("query.page_token", reason),))
