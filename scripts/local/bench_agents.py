"""What agents cost as data: to judge a definition, to build an agent of one, and to store and list them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from scripts.local.bench_engine import ANN, CountingDocuments, Counts, Rig
from scripts.local.bench_figures import Figure, median_figure
from scripts.local.environment import StackSettings
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.domain.agents import Proposal, definition_text
from shared.domain.definition_faults import inspect_definition, parse_definition
from shared.domain.definition_warnings import warnings_of
from shared.domain.definitions import AgentDefinition
from shared.domain.planning import compile_plan
from shared.domain.records import from_json
from shared.edge.definition_body import parse_body
from shared.edge.definition_places import place_faults
from shared.edge.definition_text import write_yaml
from shared.ports.agent_runner import AgentResult, AgentTurn, StepSink, ToolCaller
from shared.ports.identity import Identity
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.list_agents import AgentSearch, list_agents
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent

_NODES = 200
_LISTED = 20
_VALIDATION_MARK_MS = 200
_BUILDING_MARK_MS = 50
_CALLER = Identity(ANN, "user")
_YAML = "application/yaml"
_TOOLS = ["file_read", "file_write", "grep", "find", "web_fetch", "document_analyzer", "calculator", "save_artifact"]
_SCRIPT = [{"chunks": ["{}"], "delay_seconds": 0.001}]
_BUILT: dict[str, Any] = {
    "name": "built",
    "model": {"provider": "local", "model": "scripted", "script": _SCRIPT},
    "system_prompt": "Answer in one sentence. " * 40,
    "tools": _TOOLS,
    "output_schema": {"type": "object", "properties": {"answer": {"type": "string"}}},
}


async def agent_figures(settings: StackSettings, repeat: int) -> list[Figure]:
    """Time to judge and to build, and the documents that are read and written to keep agents."""
    rig = Rig(settings, "demo-bench-agents")
    return [*_judged(repeat * 2), *await _built(rig, repeat * 4), *await _kept(rig)]


def wide_graph(nodes: int) -> dict[str, Any]:
    """A definition of so many nodes of every common kind, each of which refers to one before."""
    made: dict[str, Any] = {"n0": {"kind": "tool", "tool": "find", "arguments": {"glob": "**"}}}
    for number in range(1, nodes):
        before = f"n{number - 1}"
        kinds: list[dict[str, Any]] = [
            {
                "kind": "agent",
                "prompt": f"What of {{{{ {before}.output }}}}, and {{{{ input.text }}}}?",
                "tools": _TOOLS[:3],
            },
            {
                "kind": "tool",
                "tool": "file_write",
                "arguments": {"path": "a.md", "content": f"{{{{ {before}.output }}}}"},
            },
            {"kind": "branch", "cases": {"large": "input.text.size() > 100"}, "after": [before]},
            {"kind": "join", "after": [before], "reducer": "text"},
        ]
        made[f"n{number}"] = kinds[number % len(kinds)]
    return {"name": "wide", "model": "local:extractive", "type": "graph", "tools": _TOOLS, "graph": {"nodes": made}}


def _judged(times: int) -> list[Figure]:
    """As POST /agents/validate does it: right, and with a fault in every other node."""
    right = wide_graph(_NODES)
    wrong = wide_graph(_NODES)
    for node in list(wrong["graph"]["nodes"].values())[::2]:
        node["aftr"] = []
    return [
        median_figure(f"validate {label} of {_NODES} nodes", _timed(_judge, text, times), "ms", _VALIDATION_MARK_MS)
        for label, text in (("a graph", write_yaml(right).encode()), ("a faulty graph", write_yaml(wrong).encode()))
    ]


def _judge(body: bytes) -> None:
    raw = parse_body(body, _YAML)
    _, faults = inspect_definition(raw)
    place_faults(body, (*faults, *warnings_of(raw)))


def _timed(act: Callable[[bytes], object], body: bytes, times: int) -> list[float]:
    found: list[float] = []
    for _ in range(times):
        begun = time.perf_counter()
        act(body)
        found.append((time.perf_counter() - begun) * 1000)
    return found


class _Timing:
    """Runs turns, and notes how long each took until its model was asked."""

    def __init__(self) -> None:
        self.milliseconds: list[float] = []
        self._begun = 0.0
        self._runner = PydanticAiRunner(Models(ProviderSettings.from_environ({}), sleep=self._asked))

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        self._begun = time.perf_counter()
        return await self._runner.run(turn, sink, tools)

    def history(self, prompt: str, output: str) -> Any:
        return self._runner.history(prompt, output)

    async def _asked(self, _seconds: float) -> None:
        self.milliseconds.append((time.perf_counter() - self._begun) * 1000)


async def _built(rig: Rig, times: int) -> list[Figure]:
    """From the stored text to the plan, and from the plan to the request that the model gets."""
    timing = _Timing()
    rig.engine = replace(rig.engine, runner=timing)
    agent = await rig.make_agent(**{key: value for key, value in _BUILT.items() if key != "name"})
    for _ in range(times):
        await rig.run(agent)
    text = definition_text(_BUILT).encode()
    planned = _timed(lambda body: compile_plan(AgentDefinition.model_validate(from_json(body.decode()))), text, times)
    return [
        median_figure(f"plan of a definition with {len(_TOOLS)} tools", planned, "ms"),
        median_figure(
            "an agent built of it, up to its model's request", timing.milliseconds[1:], "ms", _BUILDING_MARK_MS
        ),
    ]


async def _kept(rig: Rig) -> list[Figure]:
    """The documents that the use cases read and write; each request reads one more, whether its caller is shut out."""
    documents = rig.documents
    shelf = Shelf(documents, rig.engine.core.clock, rig.engine.core.ids)
    made = [(await create_agent(shelf, _CALLER, _proposal(f"kept_{n}")))[0] for n in range(_LISTED)]
    search = AgentSearch(None, limit=_LISTED)
    acts: dict[str, Callable[[], Awaitable[object]]] = {
        "create an agent": lambda: create_agent(shelf, _CALLER, _proposal("kept")),
        "update an agent": lambda: update_agent(shelf, _CALLER, made[0].id, _proposal("kept_0", description="new")),
        "rename an agent": lambda: update_agent(shelf, _CALLER, made[1].id, _proposal("renamed")),
        f"list {_LISTED} agents": lambda: list_agents(documents, ANN, search),
    }
    return [figure for label, act in acts.items() for figure in _operations(label, await _counted(documents, act))]


async def _counted(documents: CountingDocuments, act: Callable[[], Awaitable[object]]) -> Counts:
    documents.counts = Counts()
    await act()
    return documents.counts


def _operations(label: str, counts: Counts) -> list[Figure]:
    return [
        Figure(f"Firestore reads, {label}", counts.reads, "reads"),
        Figure(f"Firestore writes, {label}", counts.writes, "writes"),
        Figure(f"round trips, {label}", counts.rounds, "trips"),
    ]


def _proposal(name: str, **fields: Any) -> Proposal:
    raw = {"name": name, "model": "local:extractive", **fields}
    return Proposal(parse_definition(raw), raw)
