"""What is too large for a document becomes a file of the session: outputs, lists, results of calls."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import pytest

from shared.domain.artifacts import MAX_ARTIFACT_BYTES
from shared.domain.large_values import INLINE_BYTES, MAX_NESTING
from shared.domain.nodes import NodeRun
from shared.domain.runs import Run
from shared.domain.states import RunState
from shared.domain.tools import ToolResult
from shared.ports.agent_runner import AgentTurn, ToolCaller
from shared.usecases.artifacts.get_artifact import get_artifact
from shared.usecases.runs.repeat_run import RepeatRequest, repeat_run
from tests.support.engine_rig import CountingToolbox, EngineRig
from tests.support.failing_documents import FailingDocuments, Fate, at_commit
from tests.support.scripted_runner import ScriptedRunner, Step

LARGE = "ü" * INLINE_BYTES
ITEMS = [f"{n}{'x' * 100_000}" for n in range(6)]


def rig(script: Callable[[AgentTurn], Sequence[Step]] | None = None) -> EngineRig:
    def echo(arguments: Mapping[str, Any]) -> Any:
        return arguments["value"]

    values = {"long": LARGE, "list": ITEMS, "huge": "x" * (MAX_ARTIFACT_BYTES + 1)}
    tools: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        name: partial(_given, value) for name, value in values.items()
    }
    runner = ScriptedRunner() if script is None else ScriptedRunner(script)
    return EngineRig(runner, CountingToolbox({**tools, "echo": echo}))


def _given(value: Any, _: Mapping[str, Any]) -> Any:
    return value


def _fails(_: Mapping[str, Any]) -> Any:
    raise ValueError("not yet")


def answering(_: AgentTurn) -> tuple[Step, ...]:
    return (Step((LARGE,)),)


def calling_long(_: AgentTurn) -> tuple[Step, ...]:
    return (Step((), (("long", {}),)), Step(("done",)))


class Listening(ScriptedRunner):
    """Remembers what tools gave."""

    results: ClassVar[list[ToolResult]] = []

    async def _call_tools(self, number: int, step: Step, tools: ToolCaller) -> list[ToolResult]:
        self.results[:] = [*self.results, *await super()._call_tools(number, step, tools)]
        return self.results


def tool(name: str, **arguments: Any) -> dict[str, Any]:
    return {"kind": "tool", "tool": name, "arguments": arguments}


EACH = {"kind": "map", "over": "{{ all.output }}", "body": tool("echo", value="<{{ item }}>")}
NODES: dict[str, Any] = {
    "all": tool("list"),
    "each": EACH,
    "join": {"kind": "join", "after": ["each"], "reducer": "text"},
    "end": tool("echo", value={"joined": "{{ join.output }}", "long": "{{ all.output }}"}),
}
WHOLE = {"joined": "\n\n".join(f"<{item}>" for item in ITEMS), "long": ITEMS}


async def kept(here: EngineRig, holder: NodeRun | Run) -> Any:
    """What a reference leads to."""
    assert holder.output_json is None
    assert holder.output_file is not None
    file = holder.output_file
    found = await get_artifact(here.documents, file.session_id, file.name, file.version)
    assert found.artifact.mime_type == "application/json"
    assert len(found.content) == file.size_bytes
    return json.loads(found.content)


async def test_a_large_output_is_a_file_and_everything_after_it_sees_all_of_it() -> None:
    here = rig()
    started = await here.start(await here.make_agent(type="graph", graph={"nodes": NODES}))
    await here.drain()
    run = await here.run(started.run.id)
    assert run.state is RunState.SUCCEEDED, run.error
    assert await kept(here, run) == WHOLE
    for name, value in (("all", ITEMS), ("join", WHOLE["joined"]), ("end", WHOLE)):
        assert await kept(here, await here.node(run.id, f"{name}~0")) == value
    node = await here.node(run.id, "each~0")
    assert node.items_json is None
    assert node.items_file is not None
    last = (await here.events(run.session_id))[-1]
    assert len(last["content"]["text"]) < INLINE_BYTES
    assert last["content"]["file"]["name"] == f"results/{run.id}/$end~0/output.json"


@pytest.mark.parametrize("fate", [Fate.DIES_BEFORE, Fate.DIES_AFTER, Fate.REPLY_LOST, Fate.ABORTED])
async def test_a_failure_at_any_commit_loses_nothing_that_is_large(fate: Fate) -> None:
    nodes = {"all": tool("list"), "end": tool("echo", value="{{ all.output }}")}
    at, more = 0, True
    while more:
        here = rig()
        started = await here.start(await here.make_agent(type="graph", graph={"nodes": nodes}))
        documents = FailingDocuments(here.documents, at_commit(at, fate))
        await here.work(started.run.id, documents)
        run = await here.run(started.run.id)
        assert run.state is RunState.SUCCEEDED, run.error
        assert await kept(here, run) == ITEMS, f"commit {at}"
        assert not [path for path in here.documents.paths if path.startswith("leases/")]
        assert here.defects == []
        more, at = documents.commits > at, at + 1
    assert at > 10


async def test_a_loop_hands_large_rounds_on() -> None:
    loop = {"kind": "loop", "body": tool("echo", value=["{{ item }}", LARGE]), "until": "false", "max_rounds": 2}
    here = rig()
    started = await here.start(await here.make_agent(type="graph", graph={"nodes": {"loop": loop}}))
    await here.drain()
    assert await kept(here, await here.run(started.run.id)) == [[None, LARGE], LARGE]


async def test_a_large_answer_of_an_agent_is_a_file_and_its_event_begins_like_it() -> None:
    here = rig(answering)
    started = await here.start(await here.make_agent())
    await here.drain()
    run = await here.run(started.run.id)
    assert await kept(here, run) == LARGE
    text = (await here.events(run.session_id))[-1]["content"]["text"]
    assert LARGE.startswith(text.partition("\n")[0])
    assert text.endswith("characters more")


async def test_a_model_is_told_where_a_large_result_is_and_how_it_begins() -> None:
    here = rig()
    Listening.results.clear()
    here.runner = Listening(calling_long)
    started = await here.start(await here.make_agent(tools=["long"]))
    await here.drain()
    run = await here.run(started.run.id)
    assert run.state is RunState.SUCCEEDED
    told = Listening.results[0].content
    name = f"results/{run.id}/main~0/0000-call-0-0.txt"
    assert f"The result has {len(LARGE.encode()):,} bytes" in told
    assert repr(name) in told
    assert (await get_artifact(here.documents, run.session_id, name)).content.decode() == LARGE


async def test_a_delegates_large_answer_is_a_file_too() -> None:
    def script(turn: AgentTurn) -> tuple[Step, ...]:
        asks = any(spec.name == "ask_writer" for spec in turn.tools)
        return (Step((), (("ask_writer", {"task": "write"}),)), Step(("done",))) if asks else (Step((LARGE,)),)

    here = rig(script)
    agents = {"writer": {"description": "Writes."}}
    started = await here.start(await here.make_agent(type="delegation", agents=agents))
    await here.drain()
    assert (await here.run(started.run.id)).state is RunState.SUCCEEDED
    (child,) = [
        path for path in here.documents.paths if "main.writer" in path and path.endswith("~0") and "leases" not in path
    ]
    assert await kept(here, await here.node(started.run.id, child.rpartition("/")[2])) == LARGE


async def test_a_retry_takes_large_outputs_over() -> None:
    here = rig()
    nodes = {"all": tool("list"), "end": tool("fail", value="{{ all.output }}")}
    here.toolbox.tools["fail"] = _fails
    started = await here.start(await here.make_agent(type="graph", graph={"nodes": nodes}))
    await here.drain()
    here.toolbox.tools["fail"] = lambda args: args["value"]
    again = await repeat_run(here.core, RepeatRequest(started.run.owner_uid, started.run.id, "retry"))
    await here.drain()
    assert await kept(here, await here.run(again.run.id)) == ITEMS
    assert here.toolbox.calls["all~0 list call"] == 1


async def test_what_not_even_a_file_can_hold_fails_the_node_and_says_so() -> None:
    here = rig()
    started = await here.start(await here.make_agent(type="graph", graph={"nodes": {"a": tool("huge")}}))
    await here.drain()
    error = (await here.run(started.run.id)).error
    assert error is not None
    assert (error.code, f"{MAX_ARTIFACT_BYTES:,} are the most" in error.message) == ("tool_failed", True)


async def test_a_prompt_that_the_journal_cannot_hold_is_refused_before_anything_is_paid() -> None:
    here = rig()
    nodes = {"a": tool("list"), "b": {"kind": "agent", "prompt": "{{ a.output }}{{ a.output }}"}}
    started = await here.start(await here.make_agent(type="graph", graph={"nodes": nodes}))
    await here.drain()
    run = await here.run(started.run.id)
    assert run.error is not None
    assert (run.error.code, here.runner.requests) == ("too_large", [])


@pytest.mark.parametrize("depth", [MAX_NESTING, MAX_NESTING + 1])
async def test_what_stands_deeper_within_one_another_than_others_can_read_fails_the_node(depth: int) -> None:
    here = rig()
    nested: Any = "x"
    for _ in range(depth):
        nested = [nested]
    here.toolbox.tools["list"] = lambda _: nested
    started = await here.start(await here.make_agent(type="graph", graph={"nodes": {"a": tool("list")}}))
    await here.drain()
    run = await here.run(started.run.id)
    if depth == MAX_NESTING:
        assert (run.state, await here.output(run.id)) == (RunState.SUCCEEDED, nested)
    else:
        assert run.error is not None
        assert run.error.code == "node_output_too_large"
        assert f"more than {MAX_NESTING} lists and maps within one another" in run.error.message


HALF = "half of a pair: \ud83d"


async def test_what_no_store_can_hold_fails_the_node_instead_of_hanging_the_run() -> None:
    here = rig()
    here.toolbox.tools["list"] = lambda _: {"half": HALF}
    started = await here.start(await here.make_agent(type="graph", graph={"nodes": {"a": tool("list")}}))
    await here.drain()
    run = await here.run(started.run.id)
    assert run.error is not None
    assert (run.state, run.error.code) == (RunState.FAILED, "invalid_argument")
    assert run.error.message == "a~0: the node's output cannot be kept: the text holds half of a surrogate pair"
