"""A page token continues the list that it came from, and no other."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.errors import InvalidArgument
from shared.domain.pages import read_token, write_token

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


@pytest.mark.parametrize(
    ("after", "kinds"),
    [(("ü",), (str,)), ((NOW, "id"), (datetime, str)), ((1, 2.5, None, "x"), (int, float, type(None), str))],
)
def test_a_token_holds_the_keys(after: tuple[Any, ...], kinds: tuple[type, ...]) -> None:
    token = write_token("list", after)
    assert token.isascii()
    assert read_token("list", token, *kinds) == after


def forged(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


MARK = json.loads(base64.urlsafe_b64decode(write_token("list", (1,)) + "=="))[0]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "ä",
        "!!!!",
        write_token("other list", (1,)),
        write_token("list", (1, 2)),
        write_token("list", ("1",)),
        forged([MARK, [{"at": "yesterday"}]]),
        forged([MARK, [{}]]),
        forged([MARK, [[1]]]),
        forged([MARK, []]),
        forged([MARK]),
        forged({"a": 1}),
        forged(5),
    ],
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_token("list", token, int)
    assert refused.value.faults[0].path == "query.page_token"
