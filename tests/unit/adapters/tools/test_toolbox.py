"""What holds for every tool."""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import Unavailable
from shared.domain.tool_specs import ASK_HUMAN, BUILT_IN
from shared.domain.writes import Update
from shared.ports.documents import OutcomeUnknown
from shared.ports.web_search import SearchHit
from tests.support.workspaces import TestingWorkspace

PATHS = st.sampled_from(["a.txt", "b/c.md", "page.html", "data.bin", "missing", "../x", "", "/", "b/"])
NUMBERS = st.one_of(st.none(), st.integers(min_value=-2, max_value=12), st.just(10**30))
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=6,
)
WILD = st.one_of(PATHS, NUMBERS, JSON, st.text(alphabet="a*?[]{}()|\\^$.+\0\ud800", max_size=12))


def arguments_of(tool: str) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments that mostly have the right names and often the right kinds."""
    properties: dict[str, Any] = BUILT_IN[tool].arguments_schema["properties"]
    likely: dict[str, st.SearchStrategy[Any]] = {}
    for name, schema in properties.items():
        fitting = NUMBERS if schema["type"] == "integer" else PATHS if "path" in name else WILD
        likely[name] = st.one_of(fitting, fitting, WILD)
    return st.one_of(
        st.fixed_dictionaries({}, optional=likely),
        st.fixed_dictionaries(likely),
        st.dictionaries(st.text(max_size=8), WILD, max_size=3),
    )


EXECUTED = [name for name in BUILT_IN if name != ASK_HUMAN]
"""All but the one that the engine answers."""
CALLS = st.sampled_from(sorted(BUILT_IN)).flatmap(lambda tool: st.tuples(st.just(tool), arguments_of(tool)))


async def filled() -> TestingWorkspace:
    workspace = TestingWorkspace()
    await workspace.put(a_txt="one\ntwo\n", b__c_md="# Title\n", page_html="<p>text", data_bin=b"\0\1")
    await workspace.put(a_txt="one\nthree")
    return workspace


@settings(max_examples=300)
@given(call=CALLS, config=st.one_of(st.just({}), st.dictionaries(st.just("max_results"), WILD, max_size=1)))
async def test_whatever_a_model_asks_for_it_gets_json_and_the_run_goes_on(
    call: tuple[str, dict[str, Any]], config: dict[str, Any]
) -> None:
    tool, arguments = call

    result = await (await filled()).call_with(tool, arguments, config)

    assert json.dumps(result.content, ensure_ascii=False, allow_nan=False).encode()
    assert not result.is_error or isinstance(result.content, str)


async def test_every_built_in_tool_can_be_found_and_called() -> None:
    workspace = await filled()

    for name in EXECUTED:
        assert workspace.toolbox.find(name) is BUILT_IN[name]
        assert "There is no tool" not in str((await workspace.call(name)).content)


async def test_an_unknown_tool_is_answered_with_those_there_are() -> None:
    workspace = await filled()

    assert workspace.toolbox.find("shell") is None
    assert await workspace.refusal("shell", command="ls") == (
        f"There is no tool 'shell'. There are: {', '.join(EXECUTED)}."
    )


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("file_read", {"path": "a.txt"}),
        ("file_write", {"path": "a.txt", "content": "x"}),
        ("file_edit", {"path": "a.txt", "old_text": "one", "new_text": "1"}),
        ("save_artifact", {"name": "a.txt", "content": "x"}),
        ("set_state", {"values": {"a": 1}}),
        ("grep", {"pattern": "x"}),
        ("find", {}),
        ("diff", {"path": "a.txt"}),
        ("document_analyzer", {"path": "a.txt"}),
    ],
)
async def test_a_store_that_does_not_answer_is_not_the_models_business(tool: str, arguments: dict[str, Any]) -> None:
    workspace = await filled()
    workspace.documents.failure = Unavailable("the store does not answer")

    with pytest.raises(Unavailable, match="the store does not answer"):
        await workspace.call(tool, **arguments)


async def test_a_write_whose_outcome_stays_unknown_is_worth_a_retry_of_the_node() -> None:
    workspace = await filled()
    workspace.documents.lose_replies.extend([(False, OutcomeUnknown())] * 100)

    with pytest.raises(Unavailable):
        await workspace.call("file_write", path="a.txt", content="new")


async def test_a_damaged_file_is_an_error_that_hides_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    workspace = await filled()
    await workspace.documents.commit([Update("sessions/s1/artifacts/a.txt/versions/2", {"content": b"?"})])

    assert await workspace.refusal("file_read", path="a.txt") == "file_read failed."
    assert "is damaged" in caplog.text


def is_import() -> bool:
    """Whether Python does this to import something."""
    frame = inspect.currentframe()
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


@contextmanager
def disk_seen() -> Generator[list[tuple[str, str]]]:
    """What this process opens or lists meanwhile, in any thread, except to import.

    A hook cannot be taken away, but falls silent.
    """
    seen: list[tuple[str, str]] = []
    listening = True

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if listening and event in {"open", "os.listdir", "os.scandir"} and not is_import():
            seen.append((event, str(arguments[0])))

    sys.addaudithook(hear)
    try:
        yield seen
    finally:
        listening = False


async def test_the_hook_on_the_disk_hears_of_files_and_folders(tmp_path: Path) -> None:
    def touch() -> list[Path]:
        (tmp_path / "a.txt").write_text("x", "utf-8")
        return list(tmp_path.iterdir())

    with disk_seen() as seen:
        await asyncio.to_thread(touch)
    touch()
    assert seen == [("open", str(tmp_path / "a.txt")), ("os.listdir", str(tmp_path))]


FILE_TOOLS: list[tuple[str, dict[str, Any]]] = [
    ("file_read", {"path": "a.txt"}),
    ("file_write", {"path": "a.txt", "content": "of the session"}),
    ("grep", {"pattern": "disk|one"}),
    ("find", {}),
    ("diff", {"path": "a.txt", "version": 1}),
]


@pytest.mark.parametrize(("tool", "arguments"), FILE_TOOLS, ids=[tool for tool, _ in FILE_TOOLS])
@pytest.mark.parametrize("elsewhere", [False, True], ids=["in the session", "by an absolute path"])
async def test_a_file_tool_looks_at_no_file_of_the_server(
    tool: str, arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, elsewhere: bool
) -> None:
    decoy = tmp_path / "a.txt"
    decoy.write_text("from the server's disk", "utf-8")
    monkeypatch.chdir(tmp_path)
    workspace = await filled()
    if elsewhere:
        arguments = {name: str(decoy) if name == "path" else value for name, value in arguments.items()}

    with disk_seen() as seen:
        result = await workspace.call(tool, **arguments)

    assert seen == []
    assert result.is_error == (elsewhere and "path" in arguments)
    assert "server's disk" not in str(result.content)
    assert decoy.read_text("utf-8") == "from the server's disk"


class Broken:
    """A search engine that raises what no port allows."""

    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        raise ZeroDivisionError(query, limit)


class Stuck:
    """A search engine that never answers."""

    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        await asyncio.Event().wait()
        raise AssertionError(query, limit)


async def test_a_defect_of_a_tool_is_logged_and_told_without_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    message = await TestingWorkspace(Broken()).refusal("web_search", query="x")

    assert message == "web_search failed for a reason that is not the call's fault; do not try it again."
    assert "ZeroDivisionError" in caplog.text


async def test_a_tool_that_takes_too_long_is_stopped() -> None:
    message = await TestingWorkspace(Stuck(), seconds=0.01).refusal("web_search", query="x")

    assert message == "web_search took longer than 0.01 seconds and was stopped."


async def test_files_of_another_session_are_not_seen() -> None:
    workspace = await filled()

    other = workspace.of_session("s2")

    assert (await other.answer("find"))["paths"] == []
    assert await other.refusal("file_read", path="a.txt") == "There is no file 'a.txt'."
