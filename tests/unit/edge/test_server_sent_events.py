"""Frames as clients read them that split a stream into lines."""

from __future__ import annotations

import json

import pytest

from shared.domain.ids import RunId
from shared.edge.server_sent_events import render_update
from shared.usecases.sessions.turn_updates import TextShown


@pytest.mark.parametrize(
    "text", ["a\nb\r\nc", "a\u2028b\u2029c", "a\x85b", "a\x0bb\x0cc\x1cd\x1de\x1ef", "Grüße, 😀", '"']
)
def test_the_data_of_a_frame_is_one_line_for_whoever_splits_at_any_line_break(text: str) -> None:
    frame = render_update(TextShown(RunId("r"), 0, 0, text)).decode()
    event, data, *rest = frame.splitlines()
    assert (event, rest) == ("event: delta", [""])
    assert json.loads(data.removeprefix("data: "))["text"] == text


def test_other_characters_are_sent_as_they_are() -> None:
    assert "Grüße, 😀".encode() in render_update(TextShown(RunId("r"), 0, 0, "Grüße, 😀"))
