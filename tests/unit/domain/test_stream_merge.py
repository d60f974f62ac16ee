"""The client's merge rule: a table shared with the web client, and random deliveries."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.stream_merge import StreamMerge

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "data/stream_merge_cases.json").read_text("utf-8")
)


def apply(merge: StreamMerge, change: dict[str, Any]) -> None:
    cached = change.get("cached", False)
    match change["do"]:
        case "add":
            merge.add(change["segment"], cached=cached)
        case "settle":
            merge.settle(change["step"], change["text"], cached=cached)
        case "end":
            merge.end(change["output"], cached=cached)
        case other:
            raise AssertionError(other)


def shown(merge: StreamMerge) -> dict[str, Any]:
    steps = [{**asdict(step), "parts": list(step.parts)} for step in merge.steps]
    return {"do": "show", "text": merge.text, "live": merge.live, "complete": merge.complete, "steps": steps}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_what_arrives_is_shown_as_the_shared_table_says(case: dict[str, Any]) -> None:
    merge = StreamMerge()
    for change in case["changes"]:
        if change["do"] == "show":
            assert shown(merge) == change
        else:
            apply(merge, change)
    assert case["changes"][-1]["do"] == "show"


def test_a_change_that_tells_nothing_new_says_so() -> None:
    merge = StreamMerge()
    piece = {"step": 0, "try": 0, "n": 0, "rev": 1, "start": 0, "text": "a", "final": False}
    answers = [
        merge.add(piece),
        merge.add(piece),
        merge.add({**piece, "rev": 0}),
        merge.settle(0, "ab"),
        merge.settle(0, "ab"),
        merge.add({**piece, "rev": 2}),
        merge.end(None),
        merge.end("ab"),
        merge.end("ab"),
        merge.settle(1, "c"),
    ]
    assert answers == [True, False, False, True, False, False, False, True, False, False]


@dataclass(frozen=True)
class Attempt:
    """One try as a writer made it: every revision of every segment, and their whole text."""

    revisions: tuple[dict[str, Any], ...]
    text: str

    @property
    def last_revisions(self) -> list[dict[str, Any]]:
        return list({revision["n"]: revision for revision in self.revisions}.values())


@st.composite
def attempts(draw: st.DrawFn, number: int) -> Attempt:
    """A writer's work: deltas gathered into flushes, flushes into segments."""
    segments = draw(st.lists(st.lists(st.text(max_size=4), min_size=1, max_size=4), min_size=1, max_size=5))
    revisions: list[dict[str, Any]] = []
    whole = ""
    for n, flushes in enumerate(segments):
        start, text = len(whole), ""
        for rev, delta in enumerate(flushes):
            text += delta
            final = n == len(segments) - 1 and rev == len(flushes) - 1
            place = {"step": 0, "try": number, "n": n, "rev": rev}
            revisions.append({**place, "start": start, "text": text, "parts": [], "final": final})
        whole += text
    return Attempt(tuple(revisions), whole)


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Attempt], list[dict[str, Any]]]:
    """Tries, and what one listener gets of them: any order, duplicates, some revisions never."""
    tries = [draw(attempts(number)) for number in range(1, draw(st.integers(1, 3)) + 1)]
    sent = [revision for attempt in tries for revision in attempt.revisions]
    extra = draw(st.lists(st.sampled_from(sent), max_size=20))
    order = draw(st.permutations([*extra, *tries[-1].last_revisions]))
    return tries, order


@given(deliveries())
def test_any_delivery_ends_with_the_last_tries_text(
    delivery: tuple[list[Attempt], list[dict[str, Any]]],
) -> None:
    tries, order = delivery
    merge = StreamMerge()
    for segment in order:
        merge.add(segment)
    assert merge.text == tries[-1].text
    assert merge.steps[0].ended
    assert not merge.steps[0].complete


@given(deliveries())
def test_nothing_is_ever_shown_that_no_try_began_with(
    delivery: tuple[list[Attempt], list[dict[str, Any]]],
) -> None:
    tries, order = delivery
    merge = StreamMerge()
    for segment in order:
        merge.add(segment)
        assert any(attempt.text.startswith(merge.text) for attempt in tries)
        assert not merge.complete


@given(deliveries(), st.integers(0, 40), st.text(max_size=8))
def test_a_step_is_complete_from_its_event_on_and_only_then(
    delivery: tuple[list[Attempt], list[dict[str, Any]]], position: int, truth: str
) -> None:
    _, order = delivery
    merge = StreamMerge()
    at = position % (len(order) + 1)
    for segment in order[:at]:
        merge.add(segment)
        assert not merge.steps[0].complete
    merge.settle(0, truth)
    for segment in order[at:]:
        merge.add(segment)
        assert (merge.text, merge.steps[0].complete) == (truth, True)


@given(deliveries(), st.data())
def test_the_order_of_arrival_does_not_matter(
    delivery: tuple[list[Attempt], list[dict[str, Any]]], data: st.DataObject
) -> None:
    _, order = delivery
    changes: list[dict[str, Any]] = [{"do": "add", "segment": segment} for segment in order]
    changes += data.draw(st.lists(st.just({"do": "settle", "step": 1, "text": "next"}), max_size=1))
    changes += data.draw(st.lists(st.just({"do": "end", "output": "all"}), max_size=1))
    views: list[dict[str, Any]] = []
    for arrival in (changes, data.draw(st.permutations(changes))):
        merge = StreamMerge()
        for change in arrival:
            apply(merge, change)
        views.append(shown(merge))
    assert views[0] == views[1]
