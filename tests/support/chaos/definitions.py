"""Random agents: single ones that call tools, and graphs with branches, maps and joins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from shared.domain.agents import Proposal, agent_path, create_version, first_agent, version_of, version_path
from shared.domain.definitions import AgentDefinition
from shared.domain.ids import AgentId, Instance, SessionId, Uid
from shared.domain.journal import result_id
from shared.domain.plan_bounds import bound_plan
from shared.domain.plan_graphs import PlanGraph
from shared.domain.planning import compile_plan
from shared.domain.quotas import Quota, Standing, standing_path
from shared.domain.records import parse, render
from shared.domain.runs import WAVE
from shared.domain.sessions import Session, Slot, session_path, slot_path
from shared.domain.tools import Effect, ToolCall
from shared.domain.writes import Create, Write
from shared.usecases.nodes.engine import CompiledVersion
from tests.support.chaos.handmade import HANDMADE, KEPT
from tests.support.chaos.kept import BUDGETS, keep_made, keep_parts
from tests.support.chaos.processes import START
from tests.support.chaos.turns import make_turns

EFFECTS = {
    "echo": Effect.NONE,
    "numbers": Effect.NONE,
    "fail": Effect.NONE,
    "post": Effect.IDEMPOTENT,
    "pay": Effect.ONCE,
    "sign": Effect.NONE,
}
"""The tools: all echo `value`, but `numbers` counts to `count`, and `fail` fails."""
ASKING = frozenset({"sign"})
"""Those that a person must agree to."""
RARE_KINDS = ("branch", "loop", "approval")
NAMES = "abcdefgh"
ANN = Uid("ann")
SESSION = SessionId("talk")


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """A model response: its text in deltas of these lengths, and the tools it asks for.

    Args:
        seconds: how long each delta takes.
        parallel: the tools run at the same time.
        void: the first try breaks off and is void.
    """

    sizes: tuple[int, ...]
    seconds: float
    tools: tuple[str, ...] = ()
    parallel: bool = False
    void: bool = False

    def deltas(self, prompt: str, number: int) -> Iterator[str]:
        """The text."""
        text = f"{prompt}/{number}/"
        for size in self.sizes:
            text = text * (size // len(text) + 1)
            yield text[:size] + "."

    def text(self, prompt: str, number: int) -> str:
        """The whole text."""
        return "".join(self.deltas(prompt, number))

    def calls(self, prompt: str, number: int) -> tuple[ToolCall, ...]:
        """The tool calls."""
        return tuple(_call(prompt, number, f"call-{number}-{n}", name) for n, name in enumerate(self.tools))


def _call(prompt: str, step: int, call_id: str, name: str) -> ToolCall:
    call = ToolCall(step, call_id, name, {"value": f"{step}.{call_id}", "count": 2})
    if not name.startswith("ask_"):
        return call
    instance, message = speaker_of(prompt)
    child = f"{instance.removesuffix('~0')}.{name.removeprefix('ask_')}.{result_id(call)}"
    return ToolCall(step, call_id, name, {"task": f"{child}|{message}|"})


@dataclass(frozen=True, slots=True)
class Definition:
    """An agent that may be stored in many worlds.

    Args:
        writes: what stores it, with a session of its own.
        plans: what processes know of it, which is the same in every world.
        wave: how many items of a map are set off at once.
    """

    agent_id: AgentId
    graph: PlanGraph
    writes: tuple[Write, ...]
    plans: dict[str, CompiledVersion]
    wave: int = WAVE


@lru_cache(maxsize=64)
def script_of(system_prompt: str) -> tuple[ScriptStep, ...]:
    """The script that an agent's system prompt holds; the last step asks for no tools."""
    steps: list[dict[str, Any]] = json.loads(system_prompt)
    return tuple(parse(ScriptStep, step) for step in steps)


def speaker_of(prompt: str) -> tuple[Instance, str]:
    """The node instance that a prompt is for, and the text of the message that its run answers."""
    name, mark, rest = prompt.partition("|")
    return (Instance(f"{name}~0"), rest.partition("|")[0]) if mark else (Instance("main~0"), prompt)


@lru_cache(maxsize=64)
def definition(seed: int) -> Definition:
    """The agent of a seed: even seeds are single agents, odd ones graphs; negative ones are made by hand."""
    # Each part has its own, so that the rest of the agent does not depend on it.
    return defined(seed, lambda part: Random(f"{part} of {seed}" if part else seed))  # noqa: S311 - repeatable on purpose


def defined(seed: int, randoms: Callable[[str], Random]) -> Definition:
    """The agent of a seed, given what its parts are drawn from; the agent itself is the part without a name."""
    random = randoms("")
    raw: dict[str, Any] = {
        "name": "agent",
        "model": "local:scripted",
        "tools": list(EFFECTS),
        "system_prompt": _script(random),
    }
    if seed < 0:
        raw |= HANDMADE[seed]
    elif seed % 2:
        raw |= {"type": "graph", "graph": {"nodes": _nodes(random)}}
    elif seed % 6 == 0:
        raw |= {"type": "delegation", **_delegation(random)}
    limits = randoms("limits")
    raw = _budget(limits, raw) | raw
    kept = keep_made(ANN, KEPT.get(seed, {}))
    if seed > 0 and "graph" in raw:
        make_turns(randoms("turns"), raw["graph"]["nodes"])
        kept = keep_parts(randoms("parts"), ANN, raw)
    parsed = AgentDefinition.model_validate(raw)
    agent_id = AgentId(f"agent{seed}")
    graph = PlanGraph(compile_plan(parsed, kept))
    # Known from the start: a process that reads the version does more than one that has read it before.
    plans = {version_path(agent_id, 1): CompiledVersion(graph, ANN, bounds=bound_plan(graph.plan))}
    writes = (*_stored(agent_id, Proposal(parsed, raw)), *_quota(limits))
    return Definition(agent_id, graph, writes, plans, limits.choice((1, 2, WAVE)))


def _budget(random: Random, raw: dict[str, Any]) -> dict[str, Any]:
    """In some agents: what a run may consume, mostly too little, and how many nodes work at once."""
    if random.random() < 0.6:
        return {}
    name, price = random.choice(BUDGETS)
    limited: dict[str, Any] = {"budget": {name: price * random.choice((1, 2, 3, 4, 6, 9, 20, 200)) + price // 2}}
    if "graph" in raw and random.random() < 0.5:
        limited["budget"]["parallel_nodes"] = random.choice((1, 2, 4))
    return limited


def _quota(random: Random) -> Iterator[Write]:
    """Sometimes: what Ann may consume in a day."""
    if random.random() < 0.2:
        quota = Quota(calls_per_day=random.choice((2, 5, 10, 400)), parallel_nodes=random.choice((None, 3)))
        yield Create(standing_path(ANN), render(Standing(ANN, quota)))


def _stored(agent_id: AgentId, proposal: Proposal) -> Iterator[Write]:
    agent = first_agent(agent_id, ANN, proposal, START)
    session = Session(
        id=SESSION, owner_uid=ANN, agent_id=agent_id, version=1, created_at=START, updated_at=START, agent_owner_uid=ANN
    )
    yield Create(agent_path(agent_id), render(agent))
    yield create_version(version_of(agent, proposal, ANN))
    yield Create(session_path(SESSION), render(session))
    yield Create(slot_path(SESSION), render(Slot()))


def _script(random: Random, most: int = 3, others: tuple[str, ...] = ()) -> str:
    steps: list[dict[str, Any]] = []
    count = random.choice((1, 1, 1, 2, 2, most))
    for number in range(count):
        known = ("echo", "echo", "post", "pay", "fail", "echo", "echo", "post", "sign") + others * 6
        tools = [random.choice(known) for _ in range(random.choice((1, 1, 1, 2, 3)))]
        steps.append(
            {
                "sizes": [random.choice((3, 40, 700, 1500)) for _ in range(random.choice((1, 1, 1, 2, 4)))],
                "seconds": random.choice((0.05, 0.4, 2.0, 6.0)),
                "tools": tools if number < count - 1 else [],
                "parallel": random.random() < 0.3,
                "void": random.random() < 0.1,
            }
        )
    return json.dumps(steps)


def _delegation(random: Random) -> dict[str, Any]:
    """An agent that asks another, which may ask a third."""
    critic = {"description": "judges", "system_prompt": _script(random, 2), "tools": list(EFFECTS)}
    asks = random.random() < 0.4
    writer: dict[str, Any] = {
        "description": "writes",
        "system_prompt": _script(random, 2, others=("ask_critic",) if asks else ()),
        "tools": list(EFFECTS),
        "agents": {"critic": critic} if asks else {},
    }
    return {"system_prompt": _script(random, others=("ask_writer",)), "agents": {"writer": writer}}


_SIZES = (1,) * 8 + (2,) * 9 + (3, 3, 3, 3, 4, 4, 8)
"""How many nodes graphs have: few, so that there can be many graphs."""


def _nodes(random: Random, within: str = "", most: int = 8) -> dict[str, Any]:
    """The nodes of a graph, or of the subgraph `within`: mostly two or three, up to eight."""
    nodes: dict[str, Any] = {}
    for name in NAMES[: min(most, random.choice(_SIZES))]:
        befores = random.sample(list(nodes), min(len(nodes), random.choice((0, 1, 1, 1, 2, 2, 3, 5))))
        nodes[name] = _node(random, f"{within}{name}", befores, nodes)
        if nodes[name]["kind"] == "subgraph":
            continue
        nodes[name]["retry"] = _retry(random)
        if random.random() < 0.05:
            nodes[name]["timeout_seconds"] = random.choice((2, 20))
    return nodes


def _retry(random: Random) -> dict[str, Any]:
    return {"max_attempts": random.choice((1, 3, 3, 10)), "initial_seconds": random.choice((0.0, 1.0, 5.0))}


def _node(random: Random, name: str, befores: list[str], nodes: dict[str, Any]) -> dict[str, Any]:
    kind = random.choice(("tool",) * 6 + ("agent", "agent", "map", "map", "join", "join", "join", *RARE_KINDS))
    if "." not in name and random.random() < 0.08:
        kind = "subgraph"
    after = [_edge(random, before, nodes[before]) for before in befores]
    referred = [before for before in befores if before in after and random.random() < 0.6]
    if kind == "join" and befores:
        policy = random.choice(("all", "all", "all", "any", "quorum"))
        quorum = {"quorum": random.randint(1, len(befores))} if policy == "quorum" else {}
        return {"kind": "join", "after": after, "reducer": random.choice(("list", "text")), "policy": policy, **quorum}
    if kind == "branch":
        return {
            "kind": "branch",
            "cases": {"many": "size(input.items) > 2", "one": "size(input.items) == 1"},
            "after": after,
        }
    if kind == "approval":
        expires = random.choice((20, 86_400))
        default = random.choice(("approve", "deny"))
        return {"kind": kind, "message": "go?", "expires_after_seconds": expires, "default": default, "after": after}
    if kind == "map":
        return {**_repeated(random, kind, name, nodes), "after": after}
    value = [f"{{{{ {before}.output }}}}" for before in referred] or name
    if random.random() > 0.1:
        return {**_step(random, kind, name, value, nodes), "after": after}
    fallback = _work(random, f"{name}.fallback", value) | {"retry": _retry(random)}
    return {**_step(random, kind, f"{name}.main", value, nodes), "after": after, "fallback": fallback}


def _step(random: Random, kind: str, name: str, value: Any, nodes: dict[str, Any]) -> dict[str, Any]:
    """A node that may have a fallback."""
    if kind == "loop":
        return _repeated(random, kind, name, nodes)
    if kind == "subgraph":
        given = {"text": "{{ input.text }}", "items": _list(random, nodes)}
        return {"kind": kind, "input": given, "graph": {"nodes": _nodes(random, f"{name}.", most=4)}}
    return _work(random, name, value, agent=kind == "agent")


def _edge(random: Random, before: str, node: dict[str, Any]) -> str:
    """How a node waits for another: mostly for it to succeed."""
    failing = dict.fromkeys(("tool", "map", "subgraph"), ("failed",))
    ways = {"branch": ("many", "one", "otherwise"), "approval": ("denied",), **failing}
    named = ways.get(node["kind"], ())
    often = 0.7 if node["kind"] == "branch" else 0.15
    return f"{before}.{random.choice(named)}" if named and random.random() < often else before


def _repeated(random: Random, kind: str, name: str, nodes: dict[str, Any]) -> dict[str, Any]:
    body = _work(random, f"{name}[{{{{ index }}}}]", "{{ item }}")
    if kind == "loop":
        return {
            "kind": "loop",
            "body": body,
            "until": f"index >= {random.randrange(4)}",
            "max_rounds": random.randint(1, 3),
        }
    return {"kind": "map", "over": _list(random, nodes), "body": body}


def _list(random: Random, nodes: dict[str, Any]) -> str:
    """A template that yields a list."""
    lists = [other for other, node in nodes.items() if node.get("tool") == "numbers" and "fallback" not in node]
    return f"{{{{ {random.choice(lists)}.output }}}}" if lists and random.random() < 0.7 else "{{ input.items }}"


def _work(random: Random, speaker: str, value: Any, *, agent: bool | None = None) -> dict[str, Any]:
    if agent or (agent is None and random.random() < 0.25):
        prompt = f"{speaker}|{{{{ input.text }}}}|{value if isinstance(value, str) else ' '.join(value)}"
        return {"kind": "agent", "prompt": prompt, "system_prompt": _script(random, 2)}
    tool = random.choice(("echo",) * 12 + ("numbers",) * 4 + ("post", "post", "pay", "sign", "fail"))
    arguments = {"count": random.choice((0, 1, 2, 3))} if tool == "numbers" else {"value": value}
    return {"kind": "tool", "tool": tool, "arguments": arguments}
