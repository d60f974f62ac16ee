"""Whether what an agent takes and gives is described well: its schemas, and the prompt that reads its input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from shared.domain.definition_schemas import schema_faults
from shared.domain.definitions import DEFAULT_PROMPT
from shared.domain.errors import Fault
from shared.domain.suggestions import closest
from shared.domain.templates import malformed, paths, references


def interface_faults(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Everything that is wrong with `input_schema`, `output_schema` and `prompt`."""
    for key in ("input_schema", "output_schema"):
        if raw.get(key) is not None:
            yield from schema_faults(key, raw[key])
    prompt = raw.get("prompt")
    if raw.get("type") == "graph":
        if prompt is not None:
            yield Fault("prompt", "belongs to the nodes of a graph", "graph.nodes.<node>.prompt")
        return
    if prompt is None and not _takes_text(raw.get("input_schema")):
        reason = "is missing: the input has no required 'text' that it would be by default"
        yield Fault("prompt", reason, "{{ input }}")
    if isinstance(prompt, str):
        yield from _prompt_faults(prompt, raw.get("input_schema"))


def _prompt_faults(prompt: str, schema: Any) -> Iterator[Fault]:
    for placeholder in malformed(prompt):
        yield Fault("prompt", f"{placeholder[:100]} is not a path", DEFAULT_PROMPT)
    for root in references(prompt):
        if root != "input":
            yield Fault("prompt", f"{{{{ {root} }}}} refers to nothing but the input", DEFAULT_PROMPT)
    properties = _properties(schema)
    if schema is None or properties is None:
        return
    for root, *steps in paths(prompt):
        if root == "input" and steps and steps[0] not in properties:
            reason = f"{{{{ input.{steps[0]} }}}} is not in the input_schema"
            found = closest(steps[0], properties)
            yield Fault("prompt", reason, found and f"{{{{ input.{found} }}}}")


def _takes_text(schema: Any) -> bool:
    """Whether every input that fits has a text, which the default prompt asks."""
    if not isinstance(schema, dict):
        return True
    required: Any = cast("dict[str, Any]", schema).get("required")
    properties = _properties(cast("dict[str, Any]", schema)) or {}
    text: Any = properties.get("text", {})
    return (isinstance(required, list) and "text" in required) or (isinstance(text, dict) and "default" in text)


def _properties(schema: Any) -> Mapping[str, Any] | None:
    found = cast("dict[str, Any]", schema).get("properties") if isinstance(schema, dict) else None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else None
