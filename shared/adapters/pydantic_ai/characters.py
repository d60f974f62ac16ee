"""Whole characters of what models say: some servers break their answers off between the two halves of one."""

from __future__ import annotations

import json

from pydantic_ai.messages import ModelResponse, TextPart, ThinkingPart, ToolCallPart

from shared.domain.characters import whole_characters

_FIRST_HALVES = ("\ud800", "\udbff")


class CharacterStream:
    """Joins the pieces of a text where a character lies across two of them."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._half = ""

    def take(self, piece: str) -> str:
        """The piece, with the half that the one before it ended in, without the half that it ends in itself."""
        if not piece:
            return ""
        text = self._half + piece
        self._half = text[-1:] if _FIRST_HALVES[0] <= text[-1:] <= _FIRST_HALVES[1] else ""
        return whole_characters(text.removesuffix(self._half))

    def end(self) -> str:
        """What is left of a text that ended in the middle of a character."""
        half, self._half = self._half, ""
        return whole_characters(half)


def mend_characters(response: ModelResponse) -> None:
    """Make the characters of a response whole, in place: Pydantic AI goes on with the same object."""
    for part in response.parts:
        match part:
            case TextPart() | ThinkingPart():
                part.content = whole_characters(part.content)
            case ToolCallPart(args=str(args)):
                part.args = whole_characters(args)
            case ToolCallPart(args=dict(args)):
                told = json.dumps(args, ensure_ascii=False)
                if (whole := whole_characters(told)) != told:
                    part.args = json.loads(whole)
            case _:
                pass
