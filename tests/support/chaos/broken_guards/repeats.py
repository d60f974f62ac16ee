"""Guards of what is done again because somebody asks for it: just that, and once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from shared.domain.ids import NodeId, RunId
from shared.domain.plan_graphs import PlanGraph
from shared.domain.repeats import anew_after
from shared.domain.sessions import Message
from shared.domain.writes import Write
from shared.usecases.nodes import end_run, enter_node
from shared.usecases.runs import repeat_run
from shared.usecases.sessions import regenerate_answer
from tests.support.chaos.broken_guards.guard import ALONE, Guard, replaced
from tests.support.chaos.handmade import GRAPH, SINGLE
from tests.support.chaos.rules import Rules
from tests.support.chaos.scenario import Regenerate, Replay


def _all_but_itself(graph: PlanGraph, failed: Iterable[NodeId], replayed: NodeId | None) -> frozenset[NodeId]:
    """The node that is to be done again keeps what it came to."""
    return anew_after(graph, failed, replayed) - {replayed}


def _everything(graph: PlanGraph, *_: object) -> frozenset[NodeId]:
    return frozenset(graph.by_id)


def _all_of_them(messages: Sequence[Message], _: RunId) -> tuple[str, ...]:
    """What a model is told, also of the answer that is to be another."""
    return tuple(message.message_json for message in messages)


def _no_marks(_: end_run.RunEnd) -> list[Write]:
    return []


def _unknown(*_: object) -> RunId:
    """A request that comes again looks like another one."""
    return RunId("unknown")


REPLAYED = Rules(
    scenario=replace(
        ALONE, definition=GRAPH, actions=(*ALONE.actions, Replay(5.0, "m0", place=0.3, items=None, if_busy="reject"))
    )
)
"""A graph is replayed from the agent in it."""
REGENERATED = Rules(scenario=replace(ALONE, definition=SINGLE, actions=(*ALONE.actions, Regenerate(5.0, "m0"))))
"""An agent answers once more."""
REPEATS = {
    "replayed anew": Guard(
        "a replay does its node again",
        replaced(repeat_run, anew_after=_all_but_itself),
        r": side~0: used Usage\(.*, recorded is ",
        REPLAYED,
    ),
    "only what comes after": Guard(
        "a replay repeats nothing that holds",
        replaced(repeat_run, anew_after=_everything),
        r" list~0 calls numbers, and the outcome of runs/\S+ holds$",
        REPLAYED,
    ),
    "another answer knows not the first": Guard(
        "an answer is made again on what was before the message",
        replaced(enter_node, history_of=_all_of_them),
        r" is told \d+ messages of the \d+ of other turns$",
        REGENERATED,
    ),
    "answers superseded": Guard(
        "of all answers to a message one counts",
        replaced(end_run.RunEnd, _superseded=_no_marks),
        r": the answers \{\} are superseded, expected \{",
        REGENERATED,
    ),
    "regenerated once": Guard(
        "same request, same run",
        replaced(regenerate_answer, id_of_key=_unknown),
        r"^a request ended in IdempotencyKeyReused\(",
        REGENERATED,
    ),
}
