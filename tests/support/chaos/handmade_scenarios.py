"""Scenarios that are made by hand: each meets one fault, and no other, at every effect."""

from __future__ import annotations

from tests.support.chaos.handmade import BEARING, DELEGATION, GATED, GRAPH, LOOP, NESTED, QUORUM, SIGNED, SINGLE, TIGHT
from tests.support.chaos.scenario import Cancel, Fork, Message, Pause, Regenerate, Replay, Retry, Scenario


def _said(at: float = 0.0, text: str = "m0", **more: object) -> Message:
    fields = {"chat": False, "session": True, "if_busy": "enqueue", "has_key": True, **more}
    return Message(at=at, text=text, **fields)  # type: ignore[arg-type] # the fields of a message


SCENARIOS = {
    "a graph": Scenario(GRAPH, 2, 50, 2, (_said(),)),
    "a graph that counts in shards": Scenario(GRAPH, 2, 1, 2, (_said(),)),
    "a cancelled graph": Scenario(GRAPH, 2, 50, 2, (_said(), Cancel(1.2, "m0"))),
    "a cancelled graph that is retried": Scenario(
        GRAPH, 2, 50, 2, (_said(), Cancel(1.2, "m0"), Retry(2.0, "m0", "reject", times=1))
    ),
    "a graph that is replayed on another input": Scenario(
        GRAPH, 2, 50, 2, (_said(), Replay(4.0, "m0", place=0.7, items=3, if_busy="reject"))
    ),
    "a paused graph": Scenario(GRAPH, 2, 50, 2, (_said(), Pause(0.6, "m0", seconds=5.0))),
    "a map whose join is a quorum": Scenario(QUORUM, 3, 50, 2, (_said(),)),
    "a join that bears a failure": Scenario(BEARING, 0, 50, 2, (_said(),)),
    "a loop": Scenario(LOOP, 0, 50, 2, (_said(),)),
    "a subgraph": Scenario(NESTED, 0, 50, 2, (_said(),)),
    "an approval that is decided": Scenario(GATED, 0, 50, 2, (_said(),)),
    "several pending answers": Scenario(SIGNED, 0, 50, 2, (_said(),)),
    "a budget that is used up to its last call": Scenario(TIGHT, 0, 50, 2, (_said(),)),
    "a single agent": Scenario(SINGLE, 0, 50, 2, (_said(),)),
    "another answer of a single agent": Scenario(SINGLE, 0, 50, 2, (_said(), Regenerate(4.0, "m0"))),
    "a forked session": Scenario(
        SINGLE, 0, 50, 2, (_said(), Fork(5.0, place=None, has_key=False, says=False), Regenerate(6.0, "m0"))
    ),
    "a second message that is enqueued": Scenario(SINGLE, 0, 50, 2, (_said(), _said(0.5, "m1"))),
    "a chat whose client leaves": Scenario(SINGLE, 0, 50, 2, (_said(chat=True, leaves_after=0.5),)),
    "a delegation": Scenario(DELEGATION, 0, 50, 2, (_said(),)),
    "a cancelled delegation": Scenario(DELEGATION, 0, 50, 2, (_said(), Cancel(1.5, "m0"))),
    "an interrupted chat": Scenario(
        SINGLE, 0, 50, 2, (_said(chat=True), _said(1.0, "m1", if_busy="interrupt"), _said(1.5, "m2", chat=True))
    ),
}
"""By what happens in them."""
