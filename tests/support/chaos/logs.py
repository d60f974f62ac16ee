"""What must hold of a session's log, and of what models are told, when a schedule is over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from shared.domain.events import events_path
from shared.domain.ids import RunId, SessionId
from shared.domain.plans import AgentWork
from shared.domain.records import parse
from shared.domain.runs import Run
from shared.domain.segments import segments_path
from shared.domain.sessions import Slot, slot_path
from shared.domain.states import RunState
from tests.support.chaos.definitions import script_of
from tests.support.chaos.world import World

Documents = Mapping[str, Mapping[str, Any]]


def log_faults(world: World, found: Documents, inside: Mapping[str, Documents], session_id: SessionId) -> Iterator[str]:
    """Everything that is wrong with the log of a session."""
    events, messages = world.monitor.conversations[session_id].events, world.monitor.conversations[session_id].messages
    slot = parse(Slot, found[slot_path(session_id)])
    if slot != Slot(next_seq=len(events) + 1, next_message=len(messages)):
        yield f"the slot is {slot} after {len(events)} events and {len(messages)} messages"
    stored = [*inside.get(events_path(session_id), {})]
    if stored != [f"sessions/{session_id}/events/{number + 1:012}" for number in range(len(events))]:
        yield f"the log is {stored}"
    marked = {event["seq"]: found[path]["superseded_by"] for path, event in zip(stored, events, strict=False)}
    superseded = {seq: run_id for seq, run_id in marked.items() if run_id is not None}
    if superseded != (wanted := _superseded(world, events)):
        yield f"the answers {superseded} are superseded, expected {wanted}"
    runs = [run for run in world.monitor.runs.values() if run.session_id == session_id]
    yield from (f"run {run.id} entered and never ended" for run in runs if run.entered and not run.ended)
    expected: list[str] = []
    for event in events:
        yield from (f"event {event['seq']}: {fault}" for fault in _event_faults(inside, event))
        if event["turn_complete"]:
            expected += _turn_messages(world, found, event)
    if messages != expected:
        yield f"has {len(messages)} messages that are not the {len(expected)} expected"


def _superseded(world: World, events: Sequence[Mapping[str, Any]]) -> dict[int, RunId]:
    """The last events whose answers count no more, by number, and the latest run that answered better.

    It takes the place of the run that it repeats, and, where that one gave none, of those before it.
    """
    monitor, found = world.monitor, dict[int, RunId]()
    ends: dict[RunId, int] = {event["run_id"]: event["seq"] for event in events if event["turn_complete"]}
    for run_id in ends:
        repeat = monitor.repeats.of.get(run_id) if monitor.runs[run_id].state is RunState.SUCCEEDED else None
        while repeat is not None:
            if repeat.earlier in ends:
                found[ends[repeat.earlier]] = run_id
            failed = monitor.runs[repeat.earlier].state is not RunState.SUCCEEDED
            repeat = monitor.repeats.of.get(repeat.earlier) if failed else None
    return found


def _turn_messages(world: World, found: Documents, event: Mapping[str, Any]) -> list[str]:
    """What a turn that ended with `event` adds to the session's model messages."""
    run = parse(Run, found[f"runs/{event['run_id']}"])
    if run.state is not RunState.SUCCEEDED:
        return []
    text = run.input_text
    if run.shape == "graph":
        return [f"user: {text}", f"agent: {event['content']['text']}"]
    work = world.definition.graph.plan.nodes[-1].work
    steps = len(script_of(work.agent.system_prompt)) if isinstance(work, AgentWork) else 0
    return [f"{text}{mark}{number}" for number in range(steps) for mark in "?!"]


def _event_faults(inside: Mapping[str, Documents], event: Mapping[str, Any]) -> Iterator[str]:
    """Where the event names a try at a step, the segments of that try join to its text."""
    place = event["metadata"]
    if event["author"] == "user" or place.get("try") is None or "result" in event["content"]:
        return
    collection = segments_path(event["run_id"], place["instance"])
    prefix = f"{collection}/{place['step']:04}-{place['try']:04}-"
    segments = [fields for path, fields in inside.get(collection, {}).items() if path.startswith(prefix)]
    if [segment["n"] for segment in segments] != list(range(len(segments))):
        yield f"segments {[segment['n'] for segment in segments]}"
    text = "".join(segment["text"] for segment in segments)
    if text != event["content"]["text"]:
        yield f"shows {len(text)} characters of {len(event['content']['text'])}"
    if not segments or not segments[-1]["final"]:
        yield "no final segment"
