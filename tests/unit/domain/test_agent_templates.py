"""Templates: definitions with parameters, whose values never become placeholders."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.agent_templates import fill_template
from shared.domain.definition_faults import inspect_definition
from shared.domain.errors import InvalidArgument

TEMPLATE: dict[str, Any] = {
    "parameters": {
        "type": "object",
        "properties": {
            "topic": {"type": "string", "minLength": 1, "default": "fire"},
            "count": {"type": "integer", "minimum": 1, "default": 3},
            "tools": {"type": "array", "items": {"type": "string"}, "default": ["grep"]},
        },
        "additionalProperties": False,
    },
    "name": "helper",
    "model": "local:extractive",
    "system_prompt": "Know ${topic}, ${count} times. In shell: $PATH, $(ls).",
    "limits": {"requests": "${count}"},
    "tools": "${tools}",
}


def test_a_template_is_judged_by_what_its_defaults_make() -> None:
    definition, faults = inspect_definition(TEMPLATE)
    assert faults == ()
    assert definition is not None
    assert definition.parameters == TEMPLATE["parameters"]
    assert (definition.limits.requests, [tool.name for tool in definition.tools]) == (3, ["grep"])


def test_values_become_what_they_are() -> None:
    filled = fill_template(TEMPLATE, {"topic": "iron", "count": 7})
    assert filled == {
        "name": "helper",
        "model": "local:extractive",
        "system_prompt": "Know iron, 7 times. In shell: $PATH, $(ls).",
        "limits": {"requests": 7},
        "tools": ["grep"],
    }


@pytest.mark.parametrize(
    ("values", "path", "reason"),
    [
        ({"topic": 5}, "parameters.topic", "must be text"),
        ({"topc": "x"}, "parameters.topc", "not a known key"),
        ({"count": 0}, "parameters.count", "at least 1"),
        ({"topic": "{{ ''.__class__ }}"}, "parameters.topic", "must not hold"),
        ({"topic": "${count}"}, "parameters.topic", "must not hold"),
        ({"topic": "a }} b"}, "parameters.topic", "must not hold"),
        ({"tools": ["{{ input.text }}"]}, "parameters.tools.0", "must not hold"),
    ],
)
def test_values_that_do_not_fit_or_would_stand_for_more_are_refused(
    values: dict[str, Any], path: str, reason: str
) -> None:
    with pytest.raises(InvalidArgument) as refused:
        fill_template(TEMPLATE, values)
    (fault,) = refused.value.faults
    assert fault.path == path
    assert reason in fault.reason


@pytest.mark.parametrize(
    ("changed", "path", "reason", "suggestion"),
    [
        ({"parameters": []}, "parameters", "must be a JSON Schema", None),
        ({"parameters": {"type": "object"}}, "system_prompt", "no parameter 'topic'", None),
        ({"description": "On ${topc}"}, "description", "no parameter 'topc'", "${topic}"),
        ({"metadata": {"note": ["${x.__class__}"]}}, "metadata.note.0", "no parameter", None),
        ({"limits": {"requests": "${topic}"}}, "limits.requests", "whole number", None),
        ({"nam": "${topic}"}, "nam", "not a known key", "name"),
    ],
)
def test_a_fault_of_a_template_is_found_where_it_is(
    changed: dict[str, Any], path: str, reason: str, suggestion: str | None
) -> None:
    definition, faults = inspect_definition({**TEMPLATE, **changed})
    assert definition is None
    wanted = [fault for fault in faults if fault.path == path and reason in fault.reason]
    assert [fault.suggestion for fault in wanted[:1]] == [suggestion], faults


@pytest.mark.parametrize(
    ("part", "path", "reason"),
    [
        ({"type": "string"}, "parameters.properties.topic", "must have a default"),
        (True, "parameters.properties.topic", "must have a default"),
        ({"type": "string", "default": 5}, "parameters.properties.topic.default", "must be text"),
        ({"type": "string", "default": "{{ a }}"}, "parameters.properties.topic", "must not hold"),
    ],
)
def test_each_parameter_has_a_default_that_fits(part: Any, path: str, reason: str) -> None:
    template = {"name": "x", "model": "default", "parameters": {"type": "object", "properties": {"topic": part}}}
    (fault,) = inspect_definition(template)[1]
    assert fault.path == path
    assert reason in fault.reason
