"""Whatever is sent as an archive is judged: nothing makes a 500, and nothing leaves the folder that it names."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.archives import AGENT, zip_of
from tests.support.in_process import Deployment, deployed

SETTINGS = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SEARCHING = AGENT + b"tools:\n- name: knowledge\n  config: {collections: [handbook]}\n"
GRAPH = b"""name: chain
model: local:extractive
type: graph
graph: {nodes: {ask: {kind: agent, agent: {id: helper, version: 1}}}}
"""
GOOD = [
    zip_of({"agent.yaml": AGENT}),
    zip_of({"agent.yaml": SEARCHING, "knowledge/handbook/a.md": b"# A\n\nThe anvil rings.\n"}),
    zip_of({"agent.yaml": SEARCHING, "knowledge/handbook.yaml": b"description: x\n"}),
    zip_of({"agent.yaml": GRAPH, "agents/helper.yaml": AGENT}),
]


SERVER_ERROR = 500


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def here(loop: asyncio.Runner) -> Iterator[Deployment]:
    """One deployment for all: what one case stores is in the way of no other."""
    opened = deployed()
    yield loop.run(opened.__aenter__())
    loop.run(opened.__aexit__(None, None, None))


async def send(here: Deployment, body: bytes) -> list[int]:
    """The statuses of an import, whatever is to be done about names that are taken."""
    statuses: list[int] = []
    headers = {"Authorization": "Bearer ada", "Content-Type": "application/zip"}
    for on_conflict in ("rename", "version", "refuse"):
        answer = await here.client.post(f"/agents/import?on_conflict={on_conflict}", content=body, headers=headers)
        assert answer.status_code < 500, answer.text
        assert answer.status_code == 201 or answer.json()["detail"]
        statuses.append(answer.status_code)
    assert not [path for path in here.rig.documents.paths if ".." in path.split("/")]
    return statuses


@SETTINGS
@given(body=st.binary(max_size=300))
def test_no_bytes_make_a_500(here: Deployment, loop: asyncio.Runner, body: bytes) -> None:
    assert max(loop.run(send(here, body))) < SERVER_ERROR
    assert max(loop.run(send(here, body + GOOD[0][-22:]))) < SERVER_ERROR


EDITS = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=6)


@SETTINGS
@given(archive=st.sampled_from(GOOD), edits=EDITS)
def test_no_change_of_an_archive_makes_a_500(
    here: Deployment, loop: asyncio.Runner, archive: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    """Each edit replaces some bytes by others, often by as many."""
    for place, length, new in edits:
        at = place % len(archive)
        archive = archive[:at] + new + archive[at + (len(new) if length == 3 else length) :]
    assert max(loop.run(send(here, archive))) < SERVER_ERROR


NAMES = st.sampled_from(
    [
        *("agent.yaml", "agents/helper.yaml", "agents/a/b.yaml", "agents/", "agents/.yaml", "knowledge/handbook.yaml"),
        *("knowledge/handbook/a.md", "knowledge/handbook/../../b", "knowledge//a.md", "knowledge/handbook/", "a"),
        *("/etc/passwd", "C:\\a", "..", ".", "", "agents/\u202e.yaml", "knowledge/handbook/" + "x" * 600, "AGENT.YAML"),
    ]
) | st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)
CONTENTS = st.sampled_from(
    [
        AGENT,
        SEARCHING,
        GRAPH,
        b"",
        b"a: &a [*a]",
        b"[" * 5000,
        b"description: x\nmedia_types: {a.md: text/plain}",
        b"\xff",
    ]
) | st.binary(max_size=40)


@SETTINGS
@pytest.mark.filterwarnings("ignore:Duplicate name")
@given(files=st.lists(st.tuples(NAMES, CONTENTS), max_size=6), agent=st.sampled_from([AGENT, SEARCHING, GRAPH, b""]))
def test_no_files_make_a_500(
    here: Deployment, loop: asyncio.Runner, files: list[tuple[str, bytes]], agent: bytes
) -> None:
    beginning: list[tuple[str, Any]] = [("agent.yaml", agent)] if agent else []
    assert max(loop.run(send(here, zip_of(beginning + files)))) < SERVER_ERROR
