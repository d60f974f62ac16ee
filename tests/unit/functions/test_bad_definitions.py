"""Whatever is sent as a definition is judged: nothing makes a 500, and what is hostile is refused with a reason."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.domain.agent_statics import static_agents, static_version
from shared.domain.agent_template_library import TEMPLATES
from tests.support.in_process import Deployment, deployed

YAML = "application/yaml"
JSON = "application/json"
ROOT = Path(__file__).parents[3]
HELPER = {"name": "helper", "model": "local:extractive"}
SEEDS: list[dict[str, Any]] = [
    HELPER,
    *(yaml.safe_load(path.read_text()) for path in sorted((ROOT / "scripts/local/seeds").glob("*.yaml"))),
    yaml.safe_load((ROOT / "tests/data/research-agent.yaml").read_text()),
    *(json.loads(version.definition_json) for agent in static_agents() if (version := static_version(agent.id, 1))),
    *(json.loads(json.dumps(dict(template))) for template in TEMPLATES.values()),
]
SETTINGS = settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


SERVER_ERROR = 500


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def here(loop: asyncio.Runner) -> Iterator[Deployment]:
    """One deployment for all: what one case stores is in the way of no other."""
    opened = deployed()
    deployment = loop.run(opened.__aenter__())
    agent = loop.run(deployment.make(name="target"))
    deployment.client.headers["X-Target"] = agent["id"]
    yield deployment
    loop.run(opened.__aexit__(None, None, None))


async def send_everywhere(here: Deployment, body: bytes, media_type: str) -> list[int]:
    """The statuses of every route that takes a definition."""
    target = f"/agents/{here.client.headers['X-Target']}"
    headers = {"Authorization": "Bearer ada", "Content-Type": media_type}
    statuses: list[int] = []
    for method, path in (
        ("POST", "/agents/validate"),
        ("POST", "/agents"),
        ("POST", "/agents/import?on_conflict=rename"),
        ("PUT", f"{target}?draft=true"),
        ("GET", f"{target}?draft=true"),
        ("GET", f"{target}/versions/1/diff/draft"),
        ("POST", f"{target}/versions"),
        ("POST", f"{target}/clone"),
        ("POST", "/templates/basic/agents"),
        ("PUT", f"{target}/aliases/prod"),
    ):
        sent: Any = {} if method == "GET" else {"content": body}
        if "draft" in path and method == "PUT":
            headers = {**headers, "If-Match": "*"}
        answer = await here.client.request(method, path, headers=headers, **sent)
        assert answer.status_code < 500, (method, path, answer.text)
        statuses.append(answer.status_code)
        headers.pop("If-Match", None)
    return statuses


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, below in cast("dict[str, Any]", value).items():
            yield from places(below, (*path, key))
    elif isinstance(value, list):
        for position, below in enumerate(cast("list[Any]", value)):
            yield from places(below, (*path, position))


def put(base: Any, path: tuple[str | int, ...], value: Any) -> Any:
    changed = copy.deepcopy(base)
    here: Any = changed
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return changed


KEYS = st.sampled_from(
    [
        *("name", "kind", "tool", "model", "tools", "after", "body", "prompt", "parameters", "properties", "type"),
        *(
            "$ref",
            "$defs",
            "default",
            "input_schema",
            "output_schema",
            "agents",
            "graph",
            "nodes",
            "metadata",
            "limits",
        ),
        *("http_tools", "mcp_servers", "workflows", "cases", "until", "over", "", " ", "a", "\u202e", "\x00", "0"),
    ]
)
WORDS = KEYS | st.sampled_from(
    [
        *("agent", "map", "branch", "loop", "join", "approval", "subgraph", "object", "string", "#/$defs/a", "(a+)+$"),
        *(
            "${a}",
            "${",
            "{{ input.text }}",
            "{{ ''.__class__ }}",
            "{{ a.output[0] }}",
            "{{",
            "local:scripted",
            "default",
        ),
        *("google:gemini-1.5-pro", "1e999", "-0", "input.a > 1", "grep", "file_write", "delegation", "graph", "single"),
    ]
)
NUMBERS = st.integers() | st.sampled_from([10**30, -(10**400), 2**63, 0]) | st.floats(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | WORDS | st.text(st.characters(blacklist_categories=("Cs",)), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def changed_definitions(draw: st.DrawFn) -> dict[str, Any]:
    """A good definition with some of its parts replaced."""
    raw: Any = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 3))):
        raw = put(raw, draw(st.sampled_from(list(places(raw)))), draw(VALUES))
    if draw(st.booleans()):
        raw = {**raw, draw(KEYS): draw(VALUES)}
    return raw


@SETTINGS
@given(raw=changed_definitions(), as_yaml=st.booleans())
def test_no_change_of_a_definition_makes_a_500(
    here: Deployment,
    loop: asyncio.Runner,
    raw: dict[str, Any],
    as_yaml: bool,  # noqa: FBT001 - a choice of hypothesis
) -> None:
    text = yaml.safe_dump(raw, allow_unicode=True) if as_yaml else json.dumps(raw)
    assert (
        max(loop.run(send_everywhere(here, text.encode("utf-8", "surrogatepass"), YAML if as_yaml else JSON)))
        < SERVER_ERROR
    )


MARKS = st.sampled_from(
    [*"&*!|>%@`{}[],?:-#'\"\t\n\r ", "&a ", "*a", "<<: ", "!!python/object:os.system ", "---\n", "? "]
)


@SETTINGS
@given(seed=st.sampled_from(SEEDS), cuts=st.lists(st.tuples(st.integers(0, 4000), MARKS), min_size=1, max_size=4))
def test_no_change_of_a_text_makes_a_500(
    here: Deployment, loop: asyncio.Runner, seed: dict[str, Any], cuts: list[tuple[int, str]]
) -> None:
    for text, media_type in ((yaml.safe_dump(seed), YAML), (json.dumps(seed), JSON)):
        changed = text
        for place, mark in cuts:
            at = place % len(changed)
            changed = changed[:at] + mark + changed[at:]
        assert max(loop.run(send_everywhere(here, changed.encode(), media_type))) < SERVER_ERROR


@SETTINGS
@given(body=st.binary(max_size=200), media_type=st.sampled_from([YAML, JSON, "", "text/plain", "text/yaml; charset=x"]))
def test_no_bytes_make_a_500(here: Deployment, loop: asyncio.Runner, body: bytes, media_type: str) -> None:
    assert max(loop.run(send_everywhere(here, body, media_type))) < SERVER_ERROR


BOMB = "a: &a [x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]\n" for n in range(20)
)
DEEP = json.dumps({**HELPER, "metadata": None})[:-5] + '{"a":' * 60_000 + "1" + "}" * 60_000 + "}"
GRAPH: dict[str, Any] = {"type": "graph", "graph": {"nodes": {"a": {"kind": "agent", "prompt": "x"}}}}


def node(**fields: Any) -> dict[str, Any]:
    return put({**HELPER, **GRAPH}, ("graph", "nodes", "a"), {"kind": "agent", "prompt": "x", **fields})


def delegating(depth: int, name: str = "a") -> dict[str, Any]:
    """An agent that may ask another, which may ask another, and so on."""
    below: dict[str, Any] = {}
    for _ in range(depth):
        below = {"agents": {name: {"description": "x", **below}}}
    return {**HELPER, "type": "delegation", **below}


def waiting(*names: str) -> dict[str, Any]:
    """A graph each of whose nodes waits for the next one, and the last for the first."""
    nodes = {
        name: {"kind": "agent", "prompt": "x", "after": [names[(place + 1) % len(names)]]}
        for place, name in enumerate(names)
    }
    return {**HELPER, "type": "graph", "graph": {"nodes": nodes}}


HUMAN = ("http_tools.0.name", "is the name of a built-in tool")


@pytest.mark.parametrize(
    ("body", "path", "reason"),
    [
        (BOMB, "", "anchors and aliases"),
        ("a: &a\n  b: *a", "", "anchors"),
        ("name: x\n<<: {model: default}", "", "merge keys"),
        ("name: x\nname: y", "", "twice"),
        ('{"name": "x", "name": "y"}', "", "twice"),
        ("name: !!python/object/apply:os.system [ls]", "", "tags"),
        (DEEP, "", "nested more than 64 deep"),
        ("[" * 500_000, "", "nested more than 64 deep"),
        ("- " * 200_000, "", "nested more than 64 deep"),
        ("a: b\n---\nc: d", "", "second document"),
        ({**HELPER, "system_prompt": "x" * 1_000_000}, "system_prompt", "at most 200000"),
        ({**HELPER, "prompt": "x" * 900_000}, "prompt", "at most 200000"),
        ({**HELPER, "display_name": "Ada\u202eexe.gnp"}, "display_name", "U+202E"),
        ({**HELPER, "display_name": "A\u0000da"}, "display_name", "U+0000"),
        ({**HELPER, "display_name": "\u2066hidden\u2069"}, "display_name", "U+2066"),
        ({**HELPER, "name": "he\u0142per"}, "name", "lower-case"),
        ({**HELPER, "name": "helper\n"}, "name", "lower-case"),
        ({**HELPER, "version": "1\u200b.0"}, "version", "U+200B"),
        ({**HELPER, "metadata": {"tags": ["a\u202eb"]}}, "metadata.tags.0", "U+202E"),
        ({**HELPER, "description": "\x1b[2J"}, "description", "U+001B"),
        ({**HELPER, "prompt": "{{ ''.__class__ }}"}, "prompt", "is not a path"),
        ({**HELPER, "prompt": "{{ input['__class__'] }}"}, "prompt", "is not a path"),
        ({**HELPER, "prompt": "{{ config.items() }}"}, "prompt", "is not a path"),
        ({**HELPER, "prompt": "{{ self }}"}, "prompt", "nothing but the input"),
        (node(prompt="{{ ''.__class__.__mro__[1] }}"), "graph.nodes.a.prompt", "is not a path"),
        (node(prompt="{{ os.environ }}"), "graph.nodes.a.prompt", "refers to no node"),
        ({**HELPER, "input_schema": {"type": "object", "$ref": "file:///etc/passwd"}}, "input_schema.$ref", "$defs"),
        (
            {**HELPER, "output_schema": {"type": "object", "properties": {"a": {"pattern": "(?=a)"}}}},
            "output_schema.properties.a.pattern",
            "RE2",
        ),
        ({**HELPER, "limits": {"requests": 10**30}}, "limits.requests", "less than or equal"),
        ({**HELPER, "schema_version": 99}, "schema_version", "must be 1"),
        (delegating(9), "agents.a.agents.a.agents.a.agents", "at most 3 deep"),
        (delegating(1, name="human"), "agents.human", "which is a built-in tool"),
        ({**HELPER, "http_tools": [{"name": "ask_human", "description": "x", "url": "https://x.org"}]}, *HUMAN),
        (waiting("a", "b"), "graph.nodes", "wait for each other"),
        (waiting("a"), "graph.nodes.a.after.0", "cannot wait for itself"),
        ({**HELPER, "model": {"provider": "local", "model": "x" * 300}}, "model.model", "at most 200"),
    ],
    ids=lambda value: None if isinstance(value, str) and len(value) < 60 else "body",
)
def test_what_is_hostile_is_refused_with_a_reason(
    here: Deployment, loop: asyncio.Runner, body: Any, path: str, reason: str
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    media_type = JSON if text[:1] in "{[" else YAML
    headers = {"Authorization": "Bearer ada", "Content-Type": media_type}
    for route, status in (("/agents", 400), ("/agents/import", 400), ("/agents/validate", 200)):
        answer = loop.run(here.client.post(route, content=text.encode(), headers=headers))
        assert (answer.status_code, answer.json().get("valid", False)) == (status, False)
        wanted = [fault for fault in answer.json()["faults"] if fault["path"] == path and reason in fault["reason"]]
        assert len(wanted) == 1, answer.text[:2000]


def test_a_prompt_of_more_than_a_mebibyte_is_too_large(here: Deployment, loop: asyncio.Runner) -> None:
    text = json.dumps({**HELPER, "system_prompt": "x" * (1 << 20)})
    headers = {"Authorization": "Bearer ada", "Content-Type": JSON}
    answer = loop.run(here.client.post("/agents", content=text.encode(), headers=headers))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_placeholders_in_texts_that_are_no_templates_stay_what_they_are(here: Deployment, loop: asyncio.Runner) -> None:
    text = "Explain {{ ''.__class__ }} and ${HOME} and {{ input.text }}."
    agent = loop.run(here.make(name="literal", system_prompt=text, description=text, display_name="{{ x }}"))
    assert (agent["description"], agent["display_name"]) == (text, "{{ x }}")
    assert loop.run(here.run(agent_id=agent["id"], input="{{ ''.__class__ }} ${a}"))["state"] == "succeeded"
