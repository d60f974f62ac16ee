"""Bodies are read strictly, and refused with the place where they go wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.domain.errors import InvalidArgument, UnsupportedMediaType
from shared.edge.definition_body import parse_body

DATA = Path(__file__).parents[2] / "data"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1", {"a": 1}),
        ("a: [1, -2.5, .5, 1e3, 0x1f, 0o17, 017]", {"a": [1, -2.5, 0.5, 1000.0, 31, 15, 17]}),
        ("a: [true, False, null, ~, ]", {"a": [True, False, None, None]}),
        ("a:", {"a": None}),
        ("country: no\non: yes", {"country": "no", "on": "yes"}),
        ("day: 2026-01-01\ntime: 12:30:45", {"day": "2026-01-01", "time": "12:30:45"}),
        ("1: one\ntrue: yes", {"1": "one", "true": "yes"}),
        ("version: '1.0'", {"version": "1.0"}),
        ("a: !\n  b: c", {"a": {"b": "c"}}),
        ("text: |\n  one\n  two\n", {"text": "one\ntwo\n"}),
        ("{a: {b: [c, {d: e}]}, f: g}", {"a": {"b": ["c", {"d": "e"}]}, "f": "g"}),
        ("- 1\n- - 2\n  - 3\n", [1, [2, 3]]),
        ("nan: .nan", {"nan": ".nan"}),
        ("", None),
        ("\ufeffa: ü 🎈", {"a": "ü 🎈"}),
    ],
)
def test_yaml_says_what_json_can_say(text: str, value: Any) -> None:
    assert parse_body(text.encode(), "application/yaml; charset=utf-8") == value


def test_the_first_users_own_file_reads_as_any_yaml_reader_reads_it() -> None:
    body = (DATA / "research-agent.yaml").read_bytes()
    assert parse_body(body, "text/yaml") == yaml.safe_load(body)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [1", "line 2, column 1"),
        ("a: b\n c: d", "line 2, column 3: mapping values are not allowed"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key 'a' is there twice"),
        ("a: &x 1\nb: *x", "line 1, column 4: anchors"),
        ("a: !!python/object:os.system x", "line 1, column 4: tags"),
        ("a: !!str 1", "line 1, column 4: tags"),
        ("<<: {a: 1}", "line 1, column 1: merge keys"),
        ("? [a]\n: b", "line 1, column 3: a key must be text"),
        ("a: 1\n---\nb: 2", "line 2, column 1: a second document"),
        ("[" * 65 + "]" * 65, "nested more than 64 deep"),
        ("a: \x07", "is not YAML"),
        ("a: 1e999", "too large"),
        ("a: \tb\n\tc: d", "line 2"),
    ],
)
def test_yaml_is_refused_where_it_goes_wrong(text: str, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_body(text.encode(), "application/yaml")
    (fault,) = refused.value.faults
    assert reason in fault.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": }', "line 1, column 7"),
        (b'{"a": 1, "a": 2}', "the key 'a' twice"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": 1e999}', "too large"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b"[" * 100_000, "nested more than 64 deep"),
        (b"[" * 70 + b"]" * 70, "nested more than 64 deep"),
        (b'{"a": ' + b"9" * 5000 + b"}", "integer"),
        (b"\xff\xfe", "is not UTF-8: byte 0"),
        (b"", "line 1, column 1"),
    ],
)
def test_json_is_refused_where_it_goes_wrong(body: bytes, reason: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_body(body, "application/json")
    (fault,) = refused.value.faults
    assert reason in fault.reason


@pytest.mark.parametrize(("body", "value"), [(b' {"a": 1}', {"a": 1}), (b"a: 1", {"a": 1})])
def test_without_a_media_type_the_text_tells(body: bytes, value: Any) -> None:
    assert parse_body(body, None) == value


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_other_media_types_are_refused(media_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        parse_body(b"a: 1", media_type)


@pytest.mark.parametrize("text", ["[" * 500_000, "{a: " * 250_000, "- " * 250_000, "a: b\n" * 2 + "- " * 200_000])
def test_a_hostile_body_is_refused_like_any_other(text: str) -> None:
    with pytest.raises(InvalidArgument):
        parse_body(text.encode(), "application/yaml")
