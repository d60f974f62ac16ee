"""Both listeners, as signed-in people under the rules, on what the engine's own segment writer writes."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest

from scripts.local.emulators import EmulatorPorts
from scripts.local.paths import ROOT
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.memory.queue import MemoryTaskQueue
from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.domain.ids import Instance, RunId, Token, Uid
from shared.domain.nodes import lease_fields, lease_path
from shared.domain.writes import Merge, Put, Write
from shared.ports.documents import OutcomeUnknown
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.engine import Core
from shared.usecases.nodes.segment_writer import SegmentWriter
from tests.support.breaking_proxy import breaking_proxy
from tests.support.listeners import Follow, Picture, Place, SignedIn, follow_in_node, follow_in_python

OWNER = Uid("ann")
MAIN = Instance("main~0")
BOTH = pytest.mark.parametrize("follow", [follow_in_python, follow_in_node], ids=["python", "web"])


@pytest.fixture(scope="module")
def place(emulators: EmulatorPorts, module_project_id: str) -> Place:
    firestore = emulators.environment["FIRESTORE_EMULATOR_HOST"]
    rules = {"name": "security.rules", "content": (ROOT / "firestore.rules").read_text("utf-8")}
    httpx.put(
        f"http://{firestore}/emulator/v1/projects/{module_project_id}:securityRules",
        json={"rules": {"files": [rules]}},
        headers={"Authorization": "Bearer owner"},
        timeout=60,
        trust_env=False,
    ).raise_for_status()
    return Place(module_project_id, firestore)


@pytest.fixture(scope="module")
async def core(place: Place) -> AsyncIterator[Core]:
    documents = FirestoreDocuments(place.project)
    yield Core(documents, MemoryTaskQueue(), SystemClock(), SystemIds())
    await documents.close()


def signed_in(place: Place, uid: str) -> SignedIn:
    """A person with a token as the Authentication emulator makes them: unsigned."""
    claims = {
        "iss": f"https://securetoken.google.com/{place.project}",
        "aud": place.project,
        "sub": uid,
        "user_id": uid,
        "iat": 1,
        "exp": 4_000_000_000,
    }
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return SignedIn(uid, ".".join([*encoded, ""]), {"mockUserToken": {"sub": uid, "user_id": uid}})


class Run:
    """A run of one node, written as the engine writes it."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.id = RunId(core.ids.new())
        self.path = f"runs/{self.id}"
        self.node = f"{self.path}/nodes/{MAIN}"

    async def begin(self) -> None:
        run: dict[str, Any] = {
            "owner_uid": OWNER,
            "readers": [],
            "state": "running",
            "session_id": "s",
            "created_at": datetime.now(UTC),
        }
        node = {"owner_uid": OWNER, "node": "main", "state": "running", "attempt": 1}
        await self._settle([Put(self.path, run), Put(self.node, node)])

    async def attempt(self, number: int) -> Attempt:
        token = Token(self.core.ids.new())
        lease = lease_path(self.id, MAIN, number)
        await self._settle([Put(lease, lease_fields(self.id, MAIN, token))])
        sent = self.core.clock.monotonic()
        return Attempt(
            self.core, run_id=self.id, instance=MAIN, number=number, token=token, lease_seconds=30, sent=sent
        )

    async def write(self, deltas: list[str], *, attempt: int = 1, finish: bool = True) -> None:
        writer = SegmentWriter(self.core, await self.attempt(attempt), OWNER, 0, attempt)
        for at, delta in enumerate(deltas):
            writer.append(delta)
            if at % 200 == 0:
                await self.core.clock.sleep(0)
        writes = await writer.finish()
        if not finish:
            last = cast("Put", writes[-1])
            writes[-1] = Put(last.path, {**last.fields, "final": False})
        await self._settle(writes)

    async def read_by(self, *readers: str) -> None:
        await self._settle([Merge(self.path, {"readers": list(readers)})])

    async def end(self, output: str) -> None:
        node = Merge(self.node, {"state": "succeeded", "output_json": json.dumps(output)})
        await self._settle([node, Merge(self.path, {"state": "succeeded"})])

    async def _settle(self, writes: Sequence[Write]) -> None:
        """Commit what may be written twice.

        Firestore's emulator tells its listeners of a commit before it answers, and when one of them has just gone, its
        answer is CANCELLED: the outcome is unknown, as after a lost reply.
        """
        for _ in range(5):
            with contextlib.suppress(OutcomeUnknown):
                await self.core.documents.commit(writes)
                return
        raise AssertionError("the emulator tells the outcome of no commit")


@pytest.fixture
async def run(core: Core) -> Run:
    run = Run(core)
    await run.begin()
    return run


def deltas_of(count: int) -> list[str]:
    return [f"{number} 😀\n" if number % 7 == 0 else f"{number} " for number in range(count)]


def is_running(picture: Picture) -> bool:
    return MAIN in picture["nodes"]


def shows(text: str) -> Callable[[Picture], bool]:
    """Whether the picture shows that text of the node."""
    return lambda picture: picture["nodes"].get(MAIN, {}).get("text") == text


def is_complete(picture: Picture) -> bool:
    return picture["whole"] and picture["nodes"][MAIN]["complete"]


@BOTH
@pytest.mark.parametrize("count", [1, 3, 200, 5000])
async def test_an_early_listener_ends_with_the_whole_text(run: Run, place: Place, follow: Follow, count: int) -> None:
    deltas = deltas_of(count)
    whole = "".join(deltas)
    async with follow(place, signed_in(place, OWNER), run=run.id) as pictures:
        await pictures.until(is_running)
        await run.write(deltas)
        await pictures.until(shows(whole))  # of the segments alone: the output is not there yet
        await run.end(whole)
        picture = await pictures.until(is_complete)
    assert picture["nodes"][MAIN]["text"] == whole
    assert all(whole.startswith(text) for text in pictures.texts())
    nodes = [shown["nodes"][MAIN] for shown in pictures.all if MAIN in shown["nodes"]]
    assert all(node["complete"] == (node["state"] == "succeeded") for node in nodes)


@BOTH
async def test_a_late_listener_sees_the_text_so_far_at_once(run: Run, place: Place, follow: Follow) -> None:
    await run.write(["Half ", "an "], finish=False)
    async with follow(place, signed_in(place, OWNER), run=run.id) as pictures:
        await pictures.until(shows("Half an "))
        await run.end("Half an answer")
        await pictures.until(is_complete)
    assert pictures.texts() == [*pictures.texts()[:-2], "Half an ", "Half an answer"]


@BOTH
async def test_a_listener_that_comes_after_the_end_sees_the_output(run: Run, place: Place, follow: Follow) -> None:
    await run.write(["An ", "answer"])
    await run.end("An answer")
    async with follow(place, signed_in(place, OWNER), run=run.id) as pictures:
        picture = await pictures.until(is_complete)
    assert picture["nodes"][MAIN]["text"] == "An answer"


@BOTH
async def test_a_listener_whose_connection_breaks_goes_on(run: Run, place: Place, follow: Follow) -> None:
    deltas = deltas_of(300)
    whole = "".join(deltas)
    async with breaking_proxy(place.firestore) as proxy:
        through = Place(place.project, proxy.address)
        async with follow(through, signed_in(place, OWNER), run=run.id) as pictures:
            await pictures.until(is_running)
            await run.write(deltas[:100], finish=False)
            await pictures.until(shows("".join(deltas[:100])))
            proxy.cut()
            await run.write(deltas, attempt=2)
            await run.end(whole)
            picture = await pictures.until(is_complete)
    assert proxy.broken > 0
    assert picture["nodes"][MAIN]["text"] == whole
    assert all(whole.startswith(text) for text in pictures.texts())


@BOTH
async def test_a_takeover_voids_what_the_dead_worker_showed(run: Run, place: Place, follow: Follow) -> None:
    first, second = "The answer might be", "It is forty-two."
    async with follow(place, signed_in(place, OWNER), run=run.id) as pictures:
        await pictures.until(is_running)
        await run.write([first], finish=False)
        await pictures.until(shows(first))
        await run.write([second], attempt=2)
        await pictures.until(shows(second))
        await run.write(["a straggler"], attempt=1)
        await run.end(second)
        await pictures.until(is_complete)
    assert pictures.texts()[-2:] == [first, second]


@BOTH
async def test_somebody_else_is_refused_and_sees_nothing(run: Run, place: Place, follow: Follow) -> None:
    await run.write(["secret"])
    async with follow(place, signed_in(place, "bob"), run=run.id, owner=OWNER) as pictures:
        await pictures.refusal()
    assert all(picture["nodes"] == {} for picture in pictures.all)


@BOTH
async def test_a_listener_whose_right_ends_drops_everything(run: Run, place: Place, follow: Follow) -> None:
    await run.read_by("carol")
    await run.write(["shared"], finish=False)
    async with follow(place, signed_in(place, "carol"), run=run.id, owner=OWNER) as pictures:
        await pictures.until(shows("shared"))
        await run.read_by()
        await pictures.refusal()
        shown = len(pictures.all)
        await run.write(["no longer shared"], attempt=2)
        await run.end("no longer shared")
    assert all(picture["nodes"] == {} for picture in pictures.all[shown:])
    assert "no longer shared" not in pictures.texts()
