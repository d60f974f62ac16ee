"""Templates look values up, and do nothing else: neither attributes nor calls, nor templates in values."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import FailedPrecondition
from shared.domain.templates import render_template

SCOPE: dict[str, Any] = {"input": {"a": {"b": 1}, "text": "{{ secret.output }}"}, "secret": {"output": "hidden"}}


@pytest.mark.parametrize(
    "expression",
    ["input.__class__", "input.text.__class__", "input.a.b()", "input.keys", "input['a']", "input.a | length", "1 + 1"],
)
@pytest.mark.parametrize("around", ["{}", "so: {}!"])
def test_what_is_no_path_to_a_value_is_refused(expression: str, around: str) -> None:
    with pytest.raises(FailedPrecondition):
        render_template(around.format("{{ " + expression + " }}"), SCOPE)


@pytest.mark.parametrize(
    ("template", "text"),
    [("{{ input.text }}", "{{ secret.output }}"), ("so: {{ input.text }}!", "so: {{ secret.output }}!")],
)
def test_a_placeholder_in_a_value_stays_text(template: str, text: str) -> None:
    assert render_template(template, SCOPE) == text
    assert render_template([{"deep": template}], SCOPE) == [{"deep": text}]
