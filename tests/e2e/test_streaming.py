"""A turn as it reaches listeners, end to end: both clients, signed in, under the rules; whole whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from scripts.local.api import Api
from scripts.local.listener import Listener, One, Owned, emulator_channels
from scripts.local.stack import Stack
from scripts.local.watch import Following, ListenRefused
from tests.support.breaking_proxy import breaking_proxy
from tests.support.held_models import MODEL, HeldModel
from tests.support.listeners import (
    Follow,
    Picture,
    Pictures,
    Place,
    SignedIn,
    follow_in_node,
    follow_in_python,
    stored_segments,
)
from tests.support.people import joined
from tests.support.polling import PATIENCE_SECONDS
from tests.support.provider_stubs.replies import Call
from tests.support.stack import killed

BOTH = pytest.mark.parametrize("follow", [follow_in_python, follow_in_node], ids=["python", "web"])
MAIN = "main~0"


@pytest.fixture
async def ada(stack: Stack) -> AsyncIterator[Api]:
    async with joined(stack.api, "ada") as api:
        yield api


@pytest.fixture
async def eve(stack: Stack) -> AsyncIterator[Api]:
    async with joined(stack.api, "eve") as api:
        yield api


async def open_session(api: Api, *rules: dict[str, Any], tools: tuple[str, ...] = ()) -> str:
    """A session with an agent that plays a script."""
    model = {"provider": "local", "model": "scripted", "script": list(rules)}
    return await api.open_session(await api.create_agent({"name": "teller", "model": model, "tools": list(tools)}))


async def open_held_session(api: Api, *tools: str) -> str:
    """A session with an agent whose model answers at the test's own site."""
    return await api.open_session(await api.create_agent({"name": "teller", "model": MODEL, "tools": list(tools)}))


def held_counting(count: int, *calls: Call) -> HeldModel:
    """A model that counts as `counting` does, and stops in the middle."""
    rule, whole = counting(count)
    model = HeldModel(rule["chunks"] * rule["repeat"], held_after=count // 2, calls=calls)
    assert model.whole == whole
    return model


def counting(count: int) -> tuple[dict[str, Any], str]:
    """A rule that streams so many deltas, with characters beyond the basic plane, and their whole text."""
    distinct = [f"{number} 🧵\n" if number % 10 == 0 else f"{number} " for number in range(min(count, 50))]
    repeat = count // len(distinct)
    assert repeat * len(distinct) == count
    rule = {"chunks": distinct, "repeat": repeat}
    return rule, "".join(distinct) * repeat


def is_empty(picture: Picture) -> bool:
    """Whether the listener has begun to listen, to a session without events."""
    return picture["events"] == []


def is_complete(picture: Picture) -> bool:
    return any(event["turn_complete"] for event in picture["events"])


def final_text(picture: Picture) -> str:
    return picture["events"][-1]["content"]["text"]


async def stored_text(place: Place, run: str) -> str:
    """What the segments of the run's last try join to: the final text is not among them."""
    segments = await stored_segments(place, run, MAIN)
    last = max(segment["try"] for segment in segments)
    return "".join(segment["text"] for segment in segments if segment["try"] == last)


def shows_at_least(length: int) -> Callable[[Picture], bool]:
    return lambda picture: len(picture["live"]) >= length


def assert_contiguous(picture: Picture) -> None:
    assert [event["seq"] for event in picture["events"]] == list(range(1, len(picture["events"]) + 1))


def assert_only_beginnings(pictures: Pictures, whole: str) -> None:
    assert all(whole.startswith(text) for text in pictures.texts())


@BOTH
@pytest.mark.parametrize("count", [1, 3, 200, 5000])
async def test_an_early_listener_joins_the_deltas_to_the_final_text(
    ada: Api, place: Place, signed_in: Callable[[Api], SignedIn], follow: Follow, count: int
) -> None:
    rule, whole = counting(count)
    session = await open_session(ada, rule)
    async with follow(place, signed_in(ada), session=session) as pictures:
        await pictures.until(is_empty)
        run = await ada.start_run(session, "Count.")
        picture = await pictures.until(is_complete)
    assert final_text(picture) == whole
    assert await stored_text(place, run) == whole
    assert picture["live"] == ""
    assert_only_beginnings(pictures, whole)
    assert_contiguous(picture)
    assert [event["turn_complete"] for event in picture["events"]] == [False, True]


@BOTH
async def test_a_late_listener_sees_what_was_said_and_the_rest(
    ada: Api, place: Place, signed_in: Callable[[Api], SignedIn], follow: Follow, model_port: int
) -> None:
    session = await open_held_session(ada)
    async with (
        held_counting(200).at(model_port) as model,
        follow_in_python(place, signed_in(ada), session=session) as early,
    ):
        await early.until(is_empty)
        await ada.start_run(session, "Count.")
        await early.until(shows_at_least(len(model.beginning)))
        async with follow(place, signed_in(ada), session=session) as late:
            await late.until(shows_at_least(len(model.beginning)))
            model.let_go()
            picture = await late.until(is_complete)
    assert final_text(picture) == model.whole
    assert len(next(text for text in late.texts() if text)) >= 100
    assert_only_beginnings(late, model.whole)
    assert_contiguous(picture)


@BOTH
async def test_a_listener_that_was_cut_off_in_the_middle_ends_with_the_whole_text(
    ada: Api, place: Place, signed_in: Callable[[Api], SignedIn], follow: Follow, model_port: int
) -> None:
    session = await open_held_session(ada)
    async with (
        held_counting(200).at(model_port) as model,
        breaking_proxy(place.firestore) as proxy,
        follow(Place(place.project, proxy.address), signed_in(ada), session=session) as pictures,
    ):
        await pictures.until(is_empty)
        await ada.start_run(session, "Count.")
        await pictures.until(shows_at_least(len(model.beginning)))
        proxy.cut()
        model.let_go()
        picture = await pictures.until(is_complete)
    assert proxy.broken > 0
    assert final_text(picture) == model.whole
    assert_only_beginnings(pictures, model.whole)
    assert_contiguous(picture)


async def test_a_worker_killed_in_the_middle_is_taken_over_and_no_recorded_call_repeated(
    stack: Stack, ada: Api, place: Place, signed_in: Callable[[Api], SignedIn], model_port: int
) -> None:
    note = Call("file_write", {"path": "note.txt", "content": "written once"})
    session = await open_held_session(ada, "file_write")
    async with (
        held_counting(200, note).at(model_port) as model,
        follow_in_python(place, signed_in(ada), session=session) as python,
        follow_in_node(place, signed_in(ada), session=session) as web,
    ):
        await asyncio.gather(python.until(is_empty), web.until(is_empty))
        run = await ada.start_run(session, "Write, then count.")
        said = shows_at_least(len(model.beginning))
        await asyncio.gather(python.until(said), web.until(said))
        async with killed(stack, "worker"):
            pass  # what it began to say, it will never end
        ends = await asyncio.gather(python.until(is_complete), web.until(is_complete))
    whole = model.whole
    for pictures, picture in zip((python, web), ends, strict=True):
        assert final_text(picture) == whole
        assert_only_beginnings(pictures, whole)
        assert_contiguous(picture)
        assert [event["author"] for event in picture["events"]] == ["user", "agent", "tool", "agent"]
    nodes = (await ada.send("GET", f"/runs/{run}/nodes"))["items"]
    assert [(node["instance"], node["attempt"], node["state"]) for node in nodes] == [(MAIN, 2, "succeeded")]


@BOTH
async def test_nothing_follows_the_end_of_a_turn_but_the_next_turn(
    ada: Api, place: Place, signed_in: Callable[[Api], SignedIn], follow: Follow
) -> None:
    rule, whole = counting(50)
    session = await open_session(ada, rule)
    async with follow(place, signed_in(ada), session=session) as pictures:
        await pictures.until(is_empty)
        first = await ada.start_run(session, "Count.")
        await pictures.until(is_complete)
    second = await ada.start_run(session, "Again.")
    async with follow(place, signed_in(ada), session=session, after=2) as later:
        picture = await later.until(is_complete)
    history = (await ada.send("GET", f"/sessions/{session}/history"))["items"]
    told = [(event["seq"], event["run_id"], event["author"], event["turn_complete"]) for event in history]
    assert told == [
        (1, first, "user", False),
        (2, first, "agent", True),
        (3, second, "user", False),
        (4, second, "agent", True),
    ]
    assert [event["seq"] for event in picture["events"]] == [3, 4]
    assert final_text(picture) == whole


@BOTH
async def test_somebody_else_is_refused_the_session_and_the_run(
    ada: Api, eve: Api, place: Place, signed_in: Callable[[Api], SignedIn], follow: Follow
) -> None:
    rule, _ = counting(3)
    session = await open_session(ada, rule)
    run = await ada.start_run(session, "Count.")
    owner = signed_in(ada).uid
    for wanted in ((session, ""), ("", run)):
        async with follow(place, signed_in(eve), owner=owner, session=wanted[0], run=wanted[1]) as pictures:
            await pictures.refusal()
        assert not any(picture.get("events") or picture.get("nodes") for picture in pictures.all)


async def test_the_engines_own_documents_are_refused_even_to_the_owner(
    ada: Api, place: Place, signed_in: Callable[[Api], SignedIn]
) -> None:
    rule, _ = counting(3)
    session = await open_session(ada, rule)
    run = await ada.start_run(session, "Count.")
    person = signed_in(ada)
    forbidden = [
        One(f"slots/{session}"),
        One(f"leases/{run}~{MAIN}~1"),
        Owned(f"sessions/{session}/messages", person.uid),
        Owned(f"runs/{run}/joins", person.uid),
        Owned(f"runs/{run}/nodes/{MAIN}/journal", person.uid),
    ]
    channels = emulator_channels(place.firestore)
    async with Listener(channels, place.project, lambda: person.token) as listener:
        for wanted in forbidden:
            following = Following(listener, person.uid)
            listener.subscribe(wanted, following)
            with pytest.raises(ListenRefused):
                await asyncio.wait_for(following.news(), PATIENCE_SECONDS)
