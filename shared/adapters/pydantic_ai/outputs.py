"""The output that an agent's schema asks for: how a model is told, and whether what it answers fits.

The answer is always text, so that it streams and is recorded as every other one: JSON that the provider itself keeps to
the schema where it can, and else JSON that the model is asked for in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from pydantic_ai import NativeOutput, PromptedOutput, StructuredDict
from pydantic_ai.messages import ModelRequest, RetryFeedbackPart, RetryInfo
from pydantic_ai.models import Model
from pydantic_ai.output import OutputSpec

from shared.domain.definition_schemas import value_faults
from shared.domain.errors import Fault

MOST_ANSWERS = 4
"""How often a model may answer with something that does not fit, over all attempts at a node."""

_FENCED = re.compile(r"\A\s*```(?:json)?\s*\n(?P<inside>.*?)\n?\s*```\s*\Z", re.DOTALL)


class Misfit(Exception):
    """An answer that is no output; its message is for the model that gave it."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        """Say what is wrong."""
        self.lines = tuple(f"{fault.path}: {fault.reason}" for fault in faults)
        told = "\n".join(self.lines)
        super().__init__(
            f"Your answer does not fit the JSON Schema of the output:\n{told}\nAnswer again with the whole JSON object,"
            " corrected, and nothing else."
        )


class OutputShape:
    """The schema of an agent's output."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Keep the schema, which has no faults."""
        self._schema = dict(schema)

    def asked_of(self, model: Model, *, has_tools: bool) -> OutputSpec[Any]:
        """How this model is made to answer in JSON."""
        structured = StructuredDict(self._schema, name="output")
        profile = model.profile
        is_native = profile.get("supports_json_schema_output", False)
        if has_tools and not profile.get("google_supports_tool_combination", True):
            is_native = False  # older Gemini models take a schema or tools, not both
        return NativeOutput(structured) if is_native else PromptedOutput(structured)

    def check(self, value: Any) -> None:
        """Let an output pass.

        Raises:
            Misfit: it does not fit.
        """
        if faults := value_faults("output", self._schema, value):
            raise Misfit(faults)

    def read(self, text: str) -> Any:
        """The output that an answer is.

        Raises:
            Misfit: it is no JSON, or does not fit.
        """
        fenced = _FENCED.match(text)
        try:
            value = json.loads(fenced["inside"] if fenced else text)
        except (ValueError, RecursionError) as error:
            raise Misfit((Fault("output", "is not a JSON object"),)) from error
        self.check(value)
        return value


def ask_again(misfit: Misfit) -> ModelRequest:
    """The request that tells a model what was wrong with its answer."""
    return ModelRequest(parts=[RetryFeedbackPart(content=str(misfit), retry=RetryInfo(cause="model_retry"))])
