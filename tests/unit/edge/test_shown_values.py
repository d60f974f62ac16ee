"""Whatever was stored can be shown."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from shared.edge.shown_values import shown_map, shown_value


class View(BaseModel):
    value: Any


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (None, None),
        ("null", None),
        ('{"a": [1, {"b": "[[["}]}', {"a": [1, {"b": "[[["}]}),
        ("[" + ",".join(["[1]"] * 500) + "]", [[1]] * 500),
        (nested(201), nested(201)),
        (nested(100_000), nested(100_000)),
    ],
    ids=["none", "null", "small", "wide", "deep", "deeper than Python reads"],
)
def test_a_value_is_shown_as_it_is_or_as_text(text: str | None, value: Any) -> None:
    assert shown_value(text) == value


@pytest.mark.parametrize("depth", [200, 201, 300, 5_000])
def test_what_is_shown_can_be_written(depth: int) -> None:
    assert View(value=shown_value(nested(depth))).model_dump_json()
    assert View(value=shown_map(f'{{"deep": {nested(min(depth, 300))}, "flat": 1}}')).model_dump_json()
