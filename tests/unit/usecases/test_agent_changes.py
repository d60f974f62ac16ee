"""Changes of agents when replies are lost or somebody is faster: nothing is lost, and what is not known is said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, TypeVar

import pytest

from shared.adapters.memory.clock import MemoryClock
from shared.adapters.memory.documents import MemoryDocuments
from shared.adapters.memory.ids import MemoryIds
from shared.domain.agent_drafts import draft_path
from shared.domain.agents import Agent, Proposal, Provenance, Seen
from shared.domain.definition_diffs import MAX_CHANGES, compare
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import Aborted, AlreadyExists, DomainError, NotFound, Unavailable, VersionMismatch
from shared.domain.ids import Uid
from shared.ports.identity import Identity
from shared.usecases.agents.clone_agent import create_renamed
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.delete_agent import delete_agent, restore_agent
from shared.usecases.agents.get_agent import get_agent
from shared.usecases.agents.move_alias import move_alias, remove_alias
from shared.usecases.agents.publish_draft import publish_draft
from shared.usecases.agents.save_draft import discard_draft, get_draft, save_draft
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent
from tests.support.failing_documents import FailingDocuments, Fate
from tests.support.interfering_documents import InterferingDocuments
from tests.support.passing_time import in_time

T = TypeVar("T")
ADA = Identity(Uid("ada"), "user")
RAW: dict[str, Any] = {"name": "helper", "model": "local:extractive"}


def propose(**fields: Any) -> Proposal:
    raw = {**RAW, **fields}
    return Proposal(parse_definition(raw), raw)


class Shop:
    """A shelf on which Ada has one agent."""

    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.documents = MemoryDocuments(self.clock)
        self.shelf = Shelf(self.documents, self.clock, MemoryIds())

    async def make(self) -> Agent:
        return (await create_agent(self.shelf, ADA, propose()))[0]

    def failing(self, fate: Fate) -> Shelf:
        return replace(self.shelf, documents=FailingDocuments(self.documents, lambda _: fate))

    def interfering(self, interfere: Callable[[], Awaitable[object]]) -> Shelf:
        return replace(self.shelf, documents=InterferingDocuments(self.documents, interfere, before_commit=1))

    async def in_time(self, doing: Awaitable[T]) -> T:
        return await in_time(self.clock, doing, 1)

    async def stored(self) -> dict[str, Any]:
        """Every document, without the times, which depend on how often somebody waited."""
        found = [await self.documents.get(path) for path in sorted(self.documents.paths)]
        return {one.path: {k: v for k, v in (one.fields or {}).items() if not k.endswith("_at")} for one in found}


async def prepared(shop: Shop) -> Agent:
    """An agent with an alias, a draft, and a second version."""
    agent = await shop.make()
    await update_agent(shop.shelf, ADA, agent.id, propose(description="two"))
    await move_alias(shop.shelf, ADA, agent.id, "prod", 1)
    await save_draft(shop.shelf, ADA, agent.id, {**RAW, "description": "draft"})
    return await get_agent(shop.documents, ADA, agent.id)


Act = Callable[[Shelf, Agent], Awaitable[object]]
ACTS: dict[str, Act] = {
    "update": lambda shelf, agent: update_agent(shelf, ADA, agent.id, propose(description="new")),
    "publish": lambda shelf, agent: publish_draft(shelf, ADA, agent.id, "new", Seen(agent.head)),
    "move alias": lambda shelf, agent: move_alias(shelf, ADA, agent.id, "prod", 2),
    "remove alias": lambda shelf, agent: remove_alias(shelf, ADA, agent.id, "prod"),
    "save draft": lambda shelf, agent: save_draft(shelf, ADA, agent.id, RAW, "any"),
    "delete": lambda shelf, agent: delete_agent(shelf, ADA, agent.id),
}


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
async def test_a_change_whose_reply_was_lost_counts(act: Act) -> None:
    shop, undisturbed = Shop(), Shop()
    await shop.in_time(act(shop.failing(Fate.REPLY_LOST), await prepared(shop)))
    agent = await prepared(undisturbed)
    before = await undisturbed.stored()
    await undisturbed.in_time(act(undisturbed.shelf, agent))
    assert await shop.stored() == await undisturbed.stored()
    assert await shop.stored() != before


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
async def test_a_change_that_was_not_stored_is_said_not_to_be(act: Act) -> None:
    shop = Shop()
    agent = await prepared(shop)
    with pytest.raises(Unavailable):
        await shop.in_time(act(shop.failing(Fate.ABORTED), agent))
    assert await get_agent(shop.documents, ADA, agent.id) == agent


async def test_whether_a_draft_was_discarded_is_not_guessed() -> None:
    shop = Shop()
    agent = await prepared(shop)
    with pytest.raises(Unavailable):
        await discard_draft(shop.failing(Fate.REPLY_LOST).documents, ADA, agent.id)
    with pytest.raises(NotFound):
        await get_draft(shop.documents, ADA, agent.id)


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS.keys())
async def test_a_change_heeds_what_somebody_else_changed_meanwhile(act: Act) -> None:
    shop = Shop()
    agent = await prepared(shop)
    other = move_alias(shop.shelf, ADA, agent.id, "beta", 1)
    await shop.in_time(act(shop.interfering(lambda: other), agent))
    if act is not ACTS["delete"]:
        assert (await get_agent(shop.documents, ADA, agent.id)).aliases["beta"] == 1


async def test_a_draft_that_somebody_saves_at_the_same_time_is_not_overwritten() -> None:
    shop = Shop()
    agent = await prepared(shop)
    theirs = save_draft(shop.shelf, ADA, agent.id, {**RAW, "description": "theirs"}, 1)
    with pytest.raises(VersionMismatch) as refused:
        await save_draft(shop.interfering(lambda: theirs), ADA, agent.id, {**RAW, "description": "mine"}, 1)
    assert refused.value.changed is not None
    assert refused.value.changed["changes"][0]["new"] == "theirs"


async def test_a_draft_that_is_saved_while_it_is_discarded_stays() -> None:
    shop = Shop()
    agent = await prepared(shop)
    theirs = save_draft(shop.shelf, ADA, agent.id, RAW, 1)
    with pytest.raises(Aborted):
        await discard_draft(shop.interfering(lambda: theirs).documents, ADA, agent.id)
    assert draft_path(agent.id) in shop.documents.paths


@pytest.mark.parametrize(("seen", "refused"), [(None, False), ("any", False), (1, False), (2, True), (Seen(2), True)])
async def test_a_draft_is_discarded_as_it_was_seen(seen: Any, refused: bool) -> None:  # noqa: FBT001 - a table
    shop = Shop()
    agent = await prepared(shop)
    outcome: DomainError | None = None
    try:
        await discard_draft(shop.documents, ADA, agent.id, seen)
    except VersionMismatch as error:
        outcome = error
    assert (outcome is not None) is refused


async def test_a_draft_that_is_saved_while_it_is_published_stays_whole() -> None:
    shop = Shop()
    agent = await prepared(shop)
    theirs = save_draft(shop.shelf, ADA, agent.id, {**RAW, "description": "theirs"}, 1)
    _, version = await shop.in_time(publish_draft(shop.interfering(lambda: theirs), ADA, agent.id, ""))
    assert '"theirs"' in version.definition_json


async def test_a_draft_that_others_never_leave_alone_is_given_up() -> None:
    shop = Shop()
    agent = await prepared(shop)

    async def save() -> None:
        await save_draft(shop.shelf, ADA, agent.id, RAW, "any")

    restless = InterferingDocuments(shop.documents, save, before_each=1)
    with pytest.raises(Aborted):
        await save_draft(replace(shop.shelf, documents=restless), ADA, agent.id, RAW, "any")


async def test_a_restored_agent_whose_reply_was_lost_is_there() -> None:
    shop = Shop()
    agent = await prepared(shop)
    await delete_agent(shop.shelf, ADA, agent.id)
    back = await restore_agent(shop.failing(Fate.REPLY_LOST), ADA, agent.id)
    assert back.is_active
    assert await get_agent(shop.documents, ADA, agent.id) == back


async def test_restoring_at_once_restores_once() -> None:
    shop = Shop()
    agent = await prepared(shop)
    await delete_agent(shop.shelf, ADA, agent.id)
    other = restore_agent(shop.shelf, ADA, agent.id)
    back = await restore_agent(shop.interfering(lambda: other), ADA, agent.id)
    assert back == await get_agent(shop.documents, ADA, agent.id)


async def test_names_run_out() -> None:
    shop = Shop()
    for _ in range(20):
        await create_renamed(shop.shelf, ADA, RAW, Provenance("clone"), ending="copy")
    with pytest.raises(AlreadyExists, match="choose a name"):
        await create_renamed(shop.shelf, ADA, RAW, Provenance("clone"), ending="copy")


async def test_a_long_name_is_cut_for_its_ending() -> None:
    shop = Shop()
    raw = {**RAW, "name": "x" * 64}
    made = [(await create_renamed(shop.shelf, ADA, raw, Provenance("clone"), ending="copy"))[0] for _ in range(2)]
    assert [agent.name for agent in made] == ["x" * 64, "x" * 59 + "_copy"]


DIFFERENCES: list[tuple[Any, Any, list[tuple[Any, ...]]]] = [
    ({"a": 1}, {"a": True}, [("a", "changed", 1, True)]),
    ({"a": 1}, {"a": 1.0}, [("a", "changed", 1, 1.0)]),
    ({"a": None}, {}, [("a", "removed", None, None)]),
    ({"a": [1, 2, 3]}, {"a": [1, 3]}, [("a.1", "removed", 2, None)]),
    ({"a": [1, 3]}, {"a": [1, 2, 3]}, [("a.1", "added", None, 2)]),
    ({"a": [{"b": 1, "c": 2}]}, {"a": [{"b": 1, "c": 3}]}, [("a.0.c", "changed", 2, 3)]),
    ({"a": [1, 2]}, {"a": [3]}, [("a.0", "changed", 1, 3), ("a.1", "removed", 2, None)]),
    ({"a": {}}, {"a": []}, [("a", "changed", {}, [])]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, []),
    ("text", {"a": 1}, [("", "changed", "text", {"a": 1})]),
]


@pytest.mark.parametrize(("old", "new", "told"), DIFFERENCES)
def test_a_difference_is_told_where_it_is(old: Any, new: Any, told: list[tuple[Any, ...]]) -> None:
    found = compare(old, new)
    assert [(one.path, one.kind, one.old, one.new) for one in found.changes] == told
    assert not found.is_cut


def test_many_differences_are_cut() -> None:
    found = compare({}, {str(n): n for n in range(MAX_CHANGES + 5)})
    assert (len(found.changes), found.is_cut) == (MAX_CHANGES, True)
