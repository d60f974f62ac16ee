"""What is wrong with a definition: every fault at once, each with its path, in words for its author."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain, islice
from typing import Any, cast

from pydantic import ValidationError

from shared.domain.agent_templates import fill_template, template_faults
from shared.domain.definition_checks import check_references
from shared.domain.definition_interface import interface_faults
from shared.domain.definition_keys import keys_at
from shared.domain.definition_texts import text_faults
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.graph_analysis import analysis_faults
from shared.domain.model_specs import PROVIDER_ALIASES, PROVIDERS
from shared.domain.suggestions import closest, plain

MAX_FAULTS = 100
_NAMES = "must be lower-case letters, digits, '_' or '-', start with a letter, 64 at most"
_NODE_NAMES = "must be lower-case letters, digits or '_', start with a letter, 64 at most"
_REASONS = {
    "missing": "is missing",
    "union_tag_not_found": "is missing: agent, tool, subgraph, map, join, branch, loop or approval",
    "string_type": "must be text",
    "string_unicode": "must be valid Unicode text",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "finite_number": "must be a finite number",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a map of names to values",
    "model_type": "must be a map of names to values",
    "model_attributes_type": "must be a map of names to values",
}


def parse_definition(raw: Any) -> AgentDefinition:
    """Read a definition from decoded YAML or JSON.

    Raises:
        InvalidArgument: with everything that is wrong with it, up to 100 faults.
    """
    definition, faults = inspect_definition(raw)
    if definition is None:
        count = f"{len(faults)} faults" if len(faults) > 1 else "one fault"
        raise InvalidArgument(f"The definition has {count}.", faults)
    return definition


def inspect_definition(raw: Any) -> tuple[AgentDefinition | None, tuple[Fault, ...]]:
    """The definition, or its faults: those of its form, and those of what it refers to.

    A template is judged as what its parameters' defaults make of it.
    """
    if not isinstance(raw, dict):
        return None, (Fault("", "a definition is a map of names to values"),)
    raw = cast("dict[str, Any]", raw)
    parameters = raw.get("parameters")
    if parameters is None:
        return _inspect(raw)
    if faults := template_faults(raw):
        return None, faults
    definition, faults = _inspect(fill_template(raw, {}))
    return definition and definition.model_copy(update={"parameters": parameters}), faults


def _inspect(raw: dict[str, Any]) -> tuple[AgentDefinition | None, tuple[Fault, ...]]:
    definition: AgentDefinition | None = None
    faults: list[Fault] = []
    uncounted = 0
    try:
        definition = AgentDefinition.model_validate(raw)
    except ValidationError as error:
        errors = cast("list[Mapping[str, Any]]", error.errors(include_url=False))
        faults += [fault for one in errors[:MAX_FAULTS] if (fault := _fault(raw, one)) is not None]
        uncounted = len(errors[MAX_FAULTS:])
    # Only as many as are told: what to suggest is searched for, which takes its time.
    analysed = () if definition is None else analysis_faults(definition)
    checks = chain(check_references(raw), interface_faults(raw), text_faults(raw), analysed)
    faults += islice(checks, MAX_FAULTS)
    more = next(checks, None) is not None
    unique = tuple({(fault.path, fault.reason): fault for fault in faults}.values())
    if not unique:
        return definition, () if definition else (Fault("", "is not a valid definition"),)
    uncounted += len(unique[MAX_FAULTS:])
    if more:
        unique = (*unique[:MAX_FAULTS], Fault("", "and many faults more"))
    elif uncounted:
        unique = (*unique[:MAX_FAULTS], Fault("", f"and {uncounted} faults more"))
    return None, unique


def _fault(raw: dict[str, Any], error: Mapping[str, Any]) -> Fault | None:
    if not error["loc"]:
        return None  # what does not fit together is told by the checks, with its path
    path, short = locate(raw, error["loc"])
    if short is not None and (path[-1:] == ["model"] or path[-2:-1] == ["fallbacks"]):
        return _model_text_fault(path, short)
    if error["type"].startswith("union_tag"):
        path.append("kind")
    reason, suggestion = _words(path, error, raw)
    return Fault(_dotted(path), reason, suggestion)


def _words(path: list[str], error: Mapping[str, Any], raw: dict[str, Any]) -> tuple[str, str | None]:
    """The reason and the suggestion for one of Pydantic's errors at `path`."""
    given = error["input"]
    context: Mapping[str, Any] = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return "is not a known key here", closest(path[-1], keys_at(path[:-1], raw))
        case "literal_error":
            return _choice(str(context["expected"]), str(given), path[-1])
        case "union_tag_invalid":
            return _choice(str(context["expected_tags"]), str(context["tag"]), "kind")
        case "string_pattern_mismatch":
            return _name(str(given), is_node="_-" not in context["pattern"])
        case "string_type" if isinstance(given, int | float):
            return "must be text", f'put it in quotes: "{given}"'
        case kind:
            return _REASONS.get(kind) or plain(error["msg"]), None


def _choice(expected: str, given: str, key: str) -> tuple[str, str | None]:
    """The reason and the suggestion where one of several words, which Pydantic lists, was expected."""
    allowed = re.findall(r"'([^']*)'", expected) or [expected]
    reason = f"must be {allowed[0]}" if len(allowed) == 1 else f"must be one of {', '.join(allowed)}"
    return reason, closest(given, (*allowed, *PROVIDER_ALIASES) if key == "provider" else allowed)


def _name(given: str, *, is_node: bool) -> tuple[str, str | None]:
    forbidden = r"[^a-z0-9]+" if is_node else r"[^a-z0-9-]+"
    name = re.sub(forbidden, "_", given.lower()).lstrip("_0123456789-").rstrip("_-")[:64]
    return _NODE_NAMES if is_node else _NAMES, name or None


def _model_text_fault(path: list[str], text: str) -> Fault:
    provider, _, model = text.partition(":")
    found = closest(provider, (*PROVIDERS, *PROVIDER_ALIASES))
    suggestion = f"{found}:{model or '<model>'}" if found else "local:extractive"
    reason = f"must be 'provider:model' with a provider of {', '.join(PROVIDERS)}"
    return Fault(_dotted(path), reason, suggestion)


def locate(raw: Any, steps: Sequence[int | str]) -> tuple[list[str], Any]:
    """Where Pydantic's location is in the author's own text, and the text that stands there instead.

    Pydantic adds the kind of a node and marks of keys to its locations, and goes into what an
    author wrote in short, such as `model: local:extractive`. The second value is that short text.
    """
    path: list[str] = []
    here = raw
    tag_possible = False
    for step in steps:
        if step == "[key]":
            break
        if isinstance(here, str):
            return path, here
        if isinstance(here, dict):
            fields = cast("dict[str, Any]", here)
            if tag_possible and fields.get("kind") == step:
                tag_possible = False
                continue
            here = fields.get(str(step))
        elif isinstance(here, list) and isinstance(step, int):
            here = cast("list[Any]", here)[step]
        else:
            break  # the step names one of several kinds of values that could have been here
        path.append(str(step))
        tag_possible = True
    return path, None


def _dotted(path: Sequence[str]) -> str:
    return ".".join(path)
