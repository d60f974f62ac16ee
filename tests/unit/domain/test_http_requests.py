"""From an HTTP tool and a call's arguments to a request that says no more than it was meant to."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import FailedPrecondition, InvalidArgument
from shared.domain.http_requests import HttpCall, build_call, fill_path, own_headers, pick, secret_names
from shared.domain.secrets import SecretText
from shared.domain.tool_definitions import HttpTool, McpServer

SECRETS = {"key": SecretText("k3y-with-{city}-in-it"), "token": SecretText("t0ken-value\n")}
JSON_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)


def tool_of(**fields: Any) -> HttpTool:
    url = "https://api.example.com/v1/{city}"
    return HttpTool.model_validate({"name": "tool", "description": "A tool.", "url": url, **fields})


def call_of(tool: HttpTool, **arguments: Any) -> HttpCall:
    return build_call(tool, arguments, SECRETS)


def sent(call: HttpCall) -> Any:
    return json.loads(call.body or b"null")


@pytest.mark.parametrize(
    ("template", "value", "path"),
    [
        ("/{x}", "Bern", "/Bern"),
        ("/{x}/days", "New York", "/New%20York/days"),
        ("/a-{x}.json", "ü?#&=%", "/a-%C3%BC%3F%23%26%3D%25.json"),
        ("/{x}", 7, "/7"),
        ("/{x}", 1.5, "/1.5"),
        ("/{x}", True, "/true"),
        ("/{x}", "a;b=c", "/a%3Bb%3Dc"),
        ("/{x}", "%2e%2e", "/%252e%252e"),
        ("/{x}", "@evil.com", "/%40evil.com"),
        ("/{x}", "{y}", "/%7By%7D"),
        ("/files/{+x}/raw", "src/a b.py", "/files/src/a%20b.py/raw"),
    ],
)
def test_an_argument_stands_in_the_path_percent_encoded(template: str, value: Any, path: str) -> None:
    assert fill_path(f"https://x.org{template}", {"x": value}) == f"https://x.org{path}"


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("/{x}", ".."),
        ("/{x}", "."),
        ("/{x}/delete", ""),
        ("/{x}", "a/b"),
        ("/{x}", "../admin"),
        ("/{x}", "a\\b"),
        ("/{x}", "a\nb"),
        ("/{x}", "a\0"),
        ("/{x}", None),
        ("/{x}", ["a"]),
        ("/{x}", {"a": 1}),
        ("/{x}", "\ud800"),
        ("/.{x}", "."),
        ("/{x}%2E", "."),
        ("/{+x}", "a/../b"),
        ("/{+x}", "a//b"),
        ("/{+x}", "/a"),
        ("/{+x}", "a/"),
        ("/{+x}", "a\\..\\b"),
        ("/{+x}", ""),
    ],
)
def test_an_argument_that_would_lead_elsewhere_is_refused(template: str, value: Any) -> None:
    with pytest.raises(InvalidArgument):
        fill_path(f"https://x.org/users{template}", {"x": value})


@given(value=st.text(max_size=30))
def test_whatever_an_argument_is_it_stays_in_its_segment(value: str) -> None:
    try:
        url = fill_path("https://x.org/users/{x}/orders", {"x": value})
    except InvalidArgument:
        return
    parts = urlsplit(url)
    segments = parts.path.split("/")

    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "x.org", "", "")
    assert [segments[0], segments[1], segments[3:]] == ["", "users", ["orders"]]
    assert unquote(segments[2]) == value
    assert value not in {"", ".", ".."}


@given(value=st.text(max_size=30))
def test_an_argument_of_several_segments_stays_below_its_place(value: str) -> None:
    try:
        parts = urlsplit(fill_path("https://x.org/files/{+x}/raw", {"x": value}))
    except InvalidArgument:
        return
    segments = parts.path.split("/")

    assert (parts.netloc, parts.query, segments[:2], segments[-1]) == ("x.org", "", ["", "files"], "raw")
    assert not {"", ".", ".."} & {unquote(segment) for segment in segments[2:-1]}


def test_what_the_path_leaves_goes_to_the_query_of_a_get() -> None:
    call = call_of(
        tool_of(url="https://x.org/{city}?unit=C"), city="Bern", days=3, wind=True, tags=["a", "b&c"], no=None
    )

    assert (call.method, call.body) == ("GET", None)
    assert parse_qsl(urlsplit(call.url).query) == [
        ("unit", "C"),
        ("days", "3"),
        ("wind", "true"),
        ("tags", "a"),
        ("tags", "b&c"),
    ]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_what_the_path_leaves_goes_to_the_body_of_a_post(method: str) -> None:
    call = call_of(tool_of(method=method), city="Bern", title="ü", labels=["a"])

    assert (call.url, sent(call)) == ("https://api.example.com/v1/Bern", {"title": "ü", "labels": ["a"]})
    assert call.headers == {"Content-Type": "application/json"}


def test_a_query_says_just_what_it_is_told_to_say() -> None:
    tool = tool_of(query={"q": "in:{city} {text}", "limit": "{limit}", "fixed": 1, "more": "{more}"})

    call = call_of(tool, city="Bern", text="a&b=c", limit=5, unnamed="x")

    assert parse_qsl(urlsplit(call.url).query) == [("q", "in:Bern a&b=c"), ("limit", "5"), ("fixed", "1")]


def test_a_body_is_built_of_values_and_not_of_text() -> None:
    body = {"title": "{title}", "meta": {"by": "agent {who}", "tags": "{tags}", "gone": "{gone}"}, "list": ["{a}", 1]}

    call = call_of(tool_of(method="POST", body=body), city="x", title='"}, "admin": true', who="Ada", tags=[1, None])

    assert sent(call) == {
        "title": '"}, "admin": true',
        "meta": {"by": "agent Ada", "tags": [1, None]},
        "list": [1],
    }


def test_a_form_is_encoded_as_one() -> None:
    tool = tool_of(method="POST", body_type="form", body={"text": "{text}", "n": 1})

    call = call_of(tool, city="x", text="a=b&c")

    assert parse_qsl((call.body or b"").decode()) == [("text", "a=b&c"), ("n", "1")]
    assert call.headers == {"Content-Type": "application/x-www-form-urlencoded"}


def test_secrets_stand_where_the_author_has_put_them_and_are_not_looked_into() -> None:
    tool = tool_of(
        method="POST",
        query={"key": {"secret": "key"}},
        body={"auth": {"secret": "key"}, "text": "{text}"},
        headers={"X-Key": {"secret": "key"}, "X-Plan": "{city}"},
        bearer_token={"secret": "token"},
    )

    call = call_of(tool, city="Bern", text="hello")

    assert parse_qsl(urlsplit(call.url).query) == [("key", "k3y-with-{city}-in-it")]
    assert sent(call) == {"auth": "k3y-with-{city}-in-it", "text": "hello"}
    assert call.headers["X-Key"] == "k3y-with-{city}-in-it"
    assert call.headers["X-Plan"] == "{city}"
    assert call.headers["Authorization"] == "Bearer t0ken-value"
    assert secret_names(tool) == {"key", "token"}
    assert "k3y" not in repr(call)


def test_a_model_cannot_ask_for_a_secret() -> None:
    tool = tool_of(method="POST", body={"text": "{text}", "auth": {"secret": "key"}}, query={"q": "{text}"})

    call = call_of(tool, city="x", text={"secret": "token"})

    assert sent(call)["text"] == {"secret": "token"}
    assert parse_qsl(urlsplit(call.url).query) == [("q", '{"secret": "token"}')]
    assert "t0ken" not in call.url + str(call.body)


@given(arguments=st.dictionaries(st.sampled_from(["city", "a", "b"]), JSON_VALUES))
def test_whatever_a_model_sends_becomes_a_request_to_the_same_host_or_is_refused(arguments: dict[str, Any]) -> None:
    for tool in (tool_of(), tool_of(method="POST", body={"a": "{a}", "t": "x{b}"}), tool_of(query={"a": "{a}"})):
        try:
            call = build_call(tool, arguments, SECRETS)
        except InvalidArgument:
            continue
        assert call.url.startswith("https://api.example.com/v1/")
        assert call.url.isascii()
        assert not call.body or json.loads(call.body) is not None


def test_a_secret_that_cannot_stand_in_a_header_is_not_sent() -> None:
    server = McpServer.model_validate({"name": "s", "url": "https://x.org", "bearer_token": {"secret": "bad"}})

    with pytest.raises(FailedPrecondition) as refused:
        own_headers(server, {"bad": SecretText("line\r\nX-Admin: 1")})
    assert "X-Admin" not in refused.value.message


@pytest.mark.parametrize(
    ("path", "found"), [("a.b.0.c", 1), ("a.b.1", "x"), ("a.1", {"d": None}), ("a.1.d", None), ("a.b", [{"c": 1}, "x"])]
)
def test_a_part_of_an_answer_is_picked_by_its_path(path: str, found: Any) -> None:
    assert pick({"a": {"b": [{"c": 1}, "x"], "1": {"d": None}}}, path) == found


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("x", "the keys a"),
        ("a.b.2", "a list of 2"),
        ("a.b.-1", "a list of 2"),
        ("a.b.1.c", "no more parts"),
        ("a.e.x", "empty"),
    ],
)
def test_a_part_that_is_not_there_is_told_with_what_there_is(path: str, words: str) -> None:
    with pytest.raises(FailedPrecondition, match=words):
        pick({"a": {"b": [{"c": 1}, "x"], "e": {}}}, path)
