"""Stored text and its values: whoever wrote it."""

from typing import Any

import pytest

from shared.domain.records import from_json, to_json


@pytest.mark.parametrize("value", [None, True, 1, -2.5, "né", [], [1, [2]], {}, {"b": [1], "a": {"c": None}}])
def test_what_was_written_is_read(value: Any) -> None:
    assert from_json(to_json(value)) == value


def test_the_text_of_a_value_is_one_whatever_the_order_of_its_names() -> None:
    assert to_json({"b": "é", "a": [1, 2]}) == '{"a":[1,2],"b":"é"}' == to_json({"a": [1, 2], "b": "é"})


@pytest.mark.parametrize("text", [' {"a": 1}', '{"a": 1}\n', '\t{ "a" : 1 } '])
def test_a_text_of_others_may_have_spaces(text: str) -> None:
    assert from_json(text) == {"a": 1}


def test_no_text_is_no_value() -> None:
    assert from_json(None) is None


@pytest.mark.parametrize("text", ["", " ", "{", '{"a": 1} x', "{'a': 1}"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="char"):
        from_json(text)
