"""A decision: what a person, or the default, said to an approval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared.domain.records import from_json, to_json


@dataclass(frozen=True, slots=True)
class Decision:
    """What was said.

    Args:
        verdict: yes, no, or an answer.
        arguments: those to call the tool with, instead of the model's.
        answer: any JSON value, with the verdict `answer`.
        reason: for whoever asked; the model reads it.
    """

    verdict: Literal["approve", "deny", "answer"]
    arguments: Mapping[str, Any] | None = None
    answer: Any = None
    reason: str | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """The decision in a journal entry."""
        return {
            "verdict": self.verdict,
            "arguments_json": None if self.arguments is None else to_json(self.arguments),
            "answer_json": to_json(self.answer),
            "reason": self.reason,
        }

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Decision:
        """The decision of a journal entry."""
        return cls(
            fields["verdict"], from_json(fields["arguments_json"]), from_json(fields["answer_json"]), fields["reason"]
        )
