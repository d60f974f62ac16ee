"""Delegates end to end: asked in one response they are at work at once, each seen live, and are cancelled together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from scripts.local.api import Api
from scripts.local.stack import Stack
from tests.e2e.test_streaming import BOTH
from tests.support.held_models import MODEL, HeldModel
from tests.support.listeners import Follow, Picture, Pictures, Place, SignedIn, stored_segments
from tests.support.people import joined
from tests.support.provider_stubs.replies import Call

MAIN = "main~0"
PAIR = {"left": {"description": "Looks to the left."}, "right": {"description": "Looks to the right."}}
AGENT = {"name": "asker", "type": "delegation", "model": MODEL, "agents": PAIR}
ASKS = tuple(Call(f"ask_{name}", {"task": f"Look to the {name}."}) for name in PAIR)
SAID = tuple(f"{number} " for number in range(20))


@pytest.fixture
async def ada(stack: Stack) -> AsyncIterator[Api]:
    async with joined(stack.api, "ada") as api:
        yield api


def asked_both() -> HeldModel:
    """A model that asks both delegates in one response; as either delegate it stops in the middle of its answer."""
    return HeldModel(SAID, held_after=10, calls=ASKS, holds=2)


def children(picture: Picture) -> dict[str, Any]:
    """The nodes of those who were asked, by their names."""
    return {instance.split(".")[1]: node for instance, node in picture["nodes"].items() if instance != MAIN}


def both_are(state: str, text: str) -> Callable[[Picture], bool]:
    """Whether both delegates are seen in a state, with what they have said."""
    wanted = dict.fromkeys(PAIR, (state, text))
    return lambda picture: {name: (node["state"], node["text"]) for name, node in children(picture).items()} == wanted


def has_ended(picture: Picture) -> bool:
    return picture["whole"]


@dataclass(frozen=True)
class Asked:
    """A run whose two delegates are held in the middle of their answers, and what a listener sees of it."""

    run: str
    model: HeldModel
    pictures: Pictures


@pytest.fixture
async def asked(
    ada: Api, place: Place, signed_in: Callable[[Api], SignedIn], follow: Follow, model_port: int
) -> AsyncIterator[Asked]:
    session = await ada.open_session(await ada.create_agent(AGENT))
    async with asked_both().at(model_port) as model:
        run = await ada.start_run(session, "Look around.")
        async with follow(place, signed_in(ada), run=run) as pictures:
            yield Asked(run, model, pictures)


@BOTH
async def test_delegates_that_are_asked_in_one_response_are_at_work_at_once_and_seen_live(
    ada: Api, asked: Asked
) -> None:
    model = asked.model
    await model.holds_all()
    seen = await asked.pictures.until(both_are("running", model.beginning))
    assert (seen["state"], seen["nodes"][MAIN]["state"]) == ("running", "running")
    model.let_go()
    last = await asked.pictures.until(has_ended)
    assert both_are("succeeded", model.whole)(last)
    assert (last["state"], last["nodes"][MAIN]["text"]) == ("succeeded", model.whole)
    nodes = (await ada.send("GET", f"/runs/{asked.run}/nodes"))["items"]
    states = {node["item"] or node["instance"]: node["state"] for node in nodes}
    assert states == dict.fromkeys((MAIN, *PAIR), "succeeded")
    assert model.asked == 4  # whom was asked once each, who asked twice


@BOTH
async def test_delegates_that_stream_are_cancelled_with_their_run_and_keep_what_they_said(
    ada: Api, place: Place, asked: Asked
) -> None:
    model = asked.model
    await asked.pictures.until(both_are("running", model.beginning))
    await ada.send("POST", f"/runs/{asked.run}/cancel")
    last = await asked.pictures.until(has_ended)  # though neither model ever says more
    assert both_are("cancelled", model.beginning)(last)
    assert (last["state"], last["nodes"][MAIN]["state"]) == ("cancelled", "cancelled")
    assert model.asked == 3  # nobody was asked again
    for instance in last["nodes"].keys() - {MAIN}:
        assert await kept_text(place, asked.run, instance) == (model.beginning, True)


async def kept_text(place: Place, run: str, instance: str) -> tuple[str, bool]:
    """What the segments of a node join to, and whether the last of them is final."""
    segments = await stored_segments(place, run, instance)
    return "".join(segment["text"] for segment in segments), segments[-1]["final"]
