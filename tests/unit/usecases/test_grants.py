"""Sharing agents: with exactly the right people, as long and as much as was granted, and revocable at once."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.domain.agents import Proposal
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import (
    Aborted,
    DomainError,
    FailedPrecondition,
    GrantUsedUp,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unavailable,
)
from shared.domain.grants import EVERYONE, Permission, grant_path
from shared.domain.ids import AgentId, Uid
from shared.domain.writes import Update
from shared.ports.agent_runner import Forecast
from shared.ports.documents import OutcomeUnknown
from shared.ports.identity import Identity
from shared.usecases.agents.clone_agent import clone_agent, import_agent
from shared.usecases.agents.create_agent import create_agent
from shared.usecases.agents.delete_agent import delete_agent, restore_agent
from shared.usecases.agents.get_agent import get_agent
from shared.usecases.agents.shelf import Shelf
from shared.usecases.agents.update_agent import update_agent
from shared.usecases.grants.list_grants import get_grant, list_grants
from shared.usecases.grants.list_shared_agents import list_shared_agents
from shared.usecases.grants.revoke_grant import revoke_grant
from shared.usecases.sessions.open_session import NewSession, open_session
from tests.support.engine_rig import ANN
from tests.support.forwarding_documents import ForwardingDocuments
from tests.support.interfering_documents import InterferingDocuments
from tests.support.passing_time import in_time
from tests.support.sharing_rig import OWNER, SharingRig, person

VIEW, RUN, EDIT, ADMIN = Permission
BOB, EVE = person("bob"), person("eve")
HELPER = {"name": "helper", "model": "local:scripted"}


@pytest.fixture
async def here() -> SharingRig:
    rig = SharingRig()
    await rig.settle("bob", "eve", "kim")
    return rig


@pytest.fixture
async def agent(here: SharingRig) -> AgentId:
    return await here.rig.make_agent()


def shelf(here: SharingRig) -> Shelf:
    return Shelf(here.documents, here.rig.clock, here.rig.ids)


def proposal(**fields: Any) -> Proposal:
    raw = {**HELPER, **fields}
    return Proposal(parse_definition(raw), raw)


@pytest.mark.parametrize("named", ["bob", "bob-name", "BOB-name", " bob@example.com ", "Bob@Example.COM"])
async def test_people_are_found_by_id_by_username_and_by_proved_address(
    here: SharingRig, agent: AgentId, named: str
) -> None:
    given = await here.grant(agent, named, VIEW)
    assert (given.grantee_uid, given.granted_by, given.permission) == (Uid("bob"), ANN, VIEW)
    assert timedelta(0) <= given.granted_at - here.rig.clock.now() < timedelta(seconds=1)
    assert (await get_agent(here.documents, BOB, agent)).id == agent


@pytest.mark.parametrize("named", ["nobody", "nobody@example.com", "x@", "a/b", "users/bob", "..", "__id__", "no body"])
async def test_who_does_not_exist_is_granted_nothing(here: SharingRig, agent: AgentId, named: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await here.grant(agent, named, VIEW)
    assert refused.value.faults[0].path == "grantee"


async def test_an_address_that_was_registered_but_not_proved_means_nobody(here: SharingRig, agent: AgentId) -> None:
    del here.directory.proved["bob@example.com"]
    with pytest.raises(InvalidArgument):
        await here.grant(agent, "bob@example.com", VIEW)


async def test_a_username_that_is_somebody_elses_id_means_that_somebody(here: SharingRig, agent: AgentId) -> None:
    await here.documents.commit([Update("usernames/eve-name", {"username": "bob"})])
    assert (await here.grant(agent, "bob", VIEW)).grantee_uid == "bob"


async def test_a_username_that_is_only_reserved_means_nobody(here: SharingRig, agent: AgentId) -> None:
    await here.documents.commit([Update("usernames/eve-name", {"state": "reserved"})])
    with pytest.raises(InvalidArgument):
        await here.grant(agent, "eve-name", VIEW)


async def test_whoever_may_not_grant_learns_nothing_about_people(here: SharingRig, agent: AgentId) -> None:
    for named in ("bob", "nobody"):
        with pytest.raises(NotFound, match="no such agent"):
            await here.grant(agent, named, VIEW, by=EVE)


async def test_what_was_granted_to_one_is_not_granted_to_another(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", ADMIN)
    with pytest.raises(NotFound):
        await get_agent(here.documents, EVE, agent)


async def test_what_was_granted_to_everyone_is_for_all_who_are_signed_in(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "everyone", RUN)
    assert (await here.start(agent, "eve")).run.grantee_uid == "everyone"
    assert (await get_agent(here.documents, EVE, agent)).id == agent


async def test_viewing_is_not_running(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", VIEW)
    with pytest.raises(PermissionDenied):
        await here.start(agent, "bob")
    with pytest.raises(PermissionDenied):
        await open_session(here.documents, here.rig.clock, here.rig.ids, BOB, NewSession(agent))
    clone, _ = await clone_agent(shelf(here), BOB, agent)
    assert (clone.owner_uid, (await here.start(clone.id, "bob")).run.grantee_uid) == ("bob", None)


async def test_runs_and_sessions_belong_to_who_starts_them(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", RUN)
    run = (await here.start(agent, "bob")).run
    session = (await here.documents.get(f"sessions/{run.session_id}")).fields
    assert (run.owner_uid, run.grantee_uid) == ("bob", "bob")
    assert (session["owner_uid"], session["agent_owner_uid"]) == ("bob", ANN)
    assert (await here.start(agent, ANN)).run.grantee_uid is None


async def test_an_editor_makes_versions_but_neither_deletes_nor_shares(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", EDIT)
    _, version = await update_agent(shelf(here), BOB, agent, proposal(name="agent"))
    assert (version.created_by, version.owner_uid) == ("bob", ANN)
    with pytest.raises(PermissionDenied):
        await delete_agent(shelf(here), BOB, agent)
    with pytest.raises(PermissionDenied):
        await here.grant(agent, "eve", VIEW, by=BOB)
    with pytest.raises(PermissionDenied):
        await list_grants(here.documents, BOB, agent, 10, None)


async def test_the_secrets_of_a_run_are_those_of_who_wrote_its_version(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", EDIT)
    await here.grant(agent, "eve", RUN)
    await update_agent(shelf(here), BOB, agent, proposal(name="agent"))
    for version, author in ((1, ANN), (2, "bob"), (None, "bob")):
        run = (await here.start(agent, "eve", version=version)).run
        assert run.author_uid == author


async def test_who_administers_by_grant_deletes_restores_and_shares_less(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", ADMIN, expires_at=here.rig.clock.now() + timedelta(hours=1))
    await delete_agent(shelf(here), BOB, agent)
    for who in (OWNER, BOB, EVE):
        with pytest.raises(NotFound):
            await get_agent(here.documents, who, agent)
    with pytest.raises(NotFound):
        await restore_agent(shelf(here), EVE, agent)
    await restore_agent(shelf(here), BOB, agent)
    assert (await here.grant(agent, "eve", EDIT, by=BOB)).granted_by == "bob"
    for to, permission in (("kim", ADMIN), ("bob", ADMIN), ("bob", EDIT)):
        with pytest.raises(PermissionDenied):
            await here.grant(agent, to, permission, by=BOB)


async def test_a_grant_ends_when_it_expires(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", RUN, expires_at=here.rig.clock.now() + timedelta(seconds=10))
    run = (await here.start(agent, "bob")).run
    here.rig.clock.jump(10)
    with pytest.raises(NotFound):
        await get_agent(here.documents, BOB, agent)
    with pytest.raises(NotFound):
        await here.start(None, "bob", session_id=run.session_id, if_busy="enqueue")
    with pytest.raises(InvalidArgument):
        await here.grant(agent, "bob", RUN, expires_at=here.rig.clock.now())


async def test_a_revoked_grant_ends_at_once_and_what_it_started_stays_readable(
    here: SharingRig, agent: AgentId
) -> None:
    await here.grant(agent, "bob", RUN)
    run = (await here.start(agent, "bob")).run
    await revoke_grant(here.documents, OWNER, agent, Uid("bob"))
    for asking in (
        get_agent(here.documents, BOB, agent),
        here.start(agent, "bob"),
        here.start(None, "bob", session_id=run.session_id, if_busy="enqueue"),
        get_grant(here.documents, BOB, agent, BOB.uid),
        revoke_grant(here.documents, OWNER, agent, Uid("bob")),
    ):
        with pytest.raises(NotFound):
            await asking
    await here.rig.drain()
    assert (await here.rig.run(run.id)).state == "succeeded"
    assert (await list_shared_agents(here.documents, BOB, 10, None)).items == ()


async def test_a_session_of_ones_own_agent_asks_for_nothing_more(here: SharingRig, agent: AgentId) -> None:
    run = (await here.start(agent, ANN)).run
    await here.rig.drain()
    reads: list[str] = []

    class Watched(ForwardingDocuments):
        async def get_many(self, paths: Any) -> Any:
            reads.extend(paths)
            return await super().get_many(paths)

    here.rig.documents = Watched(here.documents)
    await here.start(None, ANN, session_id=run.session_id)
    assert [path for path in reads if path.startswith("agents/") and "/versions/" not in path] == []


async def test_everybody_gives_up_their_own_grant_and_nobody_elses(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", RUN)
    await here.grant(agent, "eve", RUN)
    with pytest.raises(PermissionDenied):
        await revoke_grant(here.documents, BOB, agent, EVE.uid)
    with pytest.raises(PermissionDenied):
        await get_grant(here.documents, BOB, agent, EVE.uid)
    assert (await get_grant(here.documents, BOB, agent, BOB.uid)).grant.permission is RUN
    await revoke_grant(here.documents, BOB, agent, BOB.uid)
    with pytest.raises(NotFound):
        await get_agent(here.documents, BOB, agent)
    with pytest.raises(NotFound, match="no such grant"):
        await get_grant(here.documents, OWNER, agent, BOB.uid)


async def test_what_everyone_was_granted_is_taken_back_from_all(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "everyone", RUN)
    with pytest.raises(PermissionDenied):
        await revoke_grant(here.documents, BOB, agent, EVERYONE)
    await revoke_grant(here.documents, OWNER, agent, EVERYONE)
    with pytest.raises(NotFound):
        await get_agent(here.documents, BOB, agent)


async def test_grants_are_listed_with_who_they_are_for_in_pages(here: SharingRig, agent: AgentId) -> None:
    for name in ("eve", "everyone", "bob"):
        await here.grant(agent, name, RUN)
    first = await list_grants(here.documents, OWNER, agent, 2, None)
    rest = await list_grants(here.documents, OWNER, agent, 2, first.next_page_token)
    known = [*first.items, *rest.items]
    assert [one.grant.grantee_uid for one in known] == ["bob", "eve", "everyone"]
    assert [one.grantee and one.grantee.username for one in known] == ["bob-name", "eve-name", None]


async def test_people_find_what_was_shared_with_them(here: SharingRig) -> None:
    agents = [await here.rig.make_agent(name=f"agent_{number}") for number in range(4)]
    for agent in agents:
        await here.grant(agent, "bob", VIEW)
    await here.grant(agents[0], "bob", EDIT)
    await here.grant(agents[1], "everyone", RUN)
    await here.grant(agents[2], "bob", RUN, expires_at=here.rig.clock.now() + timedelta(seconds=1))
    await delete_agent(shelf(here), OWNER, agents[3])
    here.rig.clock.jump(1)
    shown: dict[str, Permission | None] = {}
    token = None
    while True:
        page = await list_shared_agents(here.documents, BOB, 1, token)
        shown |= {one.agent.id: one.access.permission for one in page.items}
        token = page.next_page_token
        if token is None:
            break
    assert shown == {agents[0]: EDIT, agents[1]: RUN}
    assert (await list_shared_agents(here.documents, EVE, 10, None)).items == ()


async def test_only_so_many_runs_are_started_however_many_ask_at_once(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", RUN, max_runs=5)
    asking = [asyncio.ensure_future(here.start(agent, "bob")) for _ in range(8)]
    while not all(task.done() for task in asking):
        await here.rig.clock.advance(0.05)
    outcomes: list[Any] = await asyncio.gather(*asking, return_exceptions=True)
    assert sum(isinstance(outcome, GrantUsedUp) for outcome in outcomes) == 3
    assert sum(not isinstance(outcome, BaseException) for outcome in outcomes) == 5
    used = (await get_grant(here.documents, BOB, agent, BOB.uid)).grant.runs_used
    assert (used, len(await runs_under(here, agent))) == (5, 5)


async def test_a_repeated_request_counts_once(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", RUN, max_runs=1)
    first = await here.start(agent, "bob", idempotency_key="k")
    again = await here.start(agent, "bob", idempotency_key="k")
    assert (first.run.id, again.created) == (again.run.id, False)
    with pytest.raises(GrantUsedUp):
        await here.start(agent, "bob", idempotency_key="other")


async def test_a_run_that_is_not_started_does_not_count(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", RUN, max_runs=2)
    run = (await here.start(agent, "bob")).run
    with pytest.raises(Aborted):
        await here.start(None, "bob", session_id=run.session_id)
    assert (await get_grant(here.documents, BOB, agent, BOB.uid)).grant.runs_used == 1


async def test_runs_go_on_counting_when_the_grant_is_changed_and_begin_anew_when_it_is_given_again(
    here: SharingRig, agent: AgentId
) -> None:
    await here.grant(agent, "bob", RUN, max_runs=1)
    await here.start(agent, "bob")
    await here.grant(agent, "bob", RUN, max_runs=2)
    await here.start(agent, "bob")
    with pytest.raises(GrantUsedUp):
        await here.start(agent, "bob")
    await revoke_grant(here.documents, OWNER, agent, BOB.uid)
    assert (await here.grant(agent, "bob", RUN, max_runs=1)).runs_used == 0
    await here.start(agent, "bob")


async def test_a_limited_grant_that_is_revoked_in_the_middle_starts_nothing(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", RUN, max_runs=5)
    inner = here.documents

    async def revoke() -> None:
        await revoke_grant(inner, OWNER, agent, BOB.uid)

    here.rig.documents = InterferingDocuments(inner, revoke, before_commit=1)
    with pytest.raises(NotFound):
        await here.start(agent, "bob")
    here.rig.documents = inner
    assert await runs_under(here, agent) == []


async def test_a_days_cost_is_a_wall_until_the_next_day(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", RUN, max_cost_usd_micros_per_day=14)
    await here.grant(agent, "eve", RUN)
    here.rig.clock.jump(23 * 3600)
    for _ in range(2):  # each costs 7
        await here.start(agent, "bob")
        await here.start(agent, "eve")
        await here.rig.drain()
    with pytest.raises(ResourceExhausted) as refused:
        await here.start(agent, "bob")
    assert 3500 < (refused.value.retry_after_seconds or 0) <= 3600
    await here.start(agent, "eve")
    here.rig.clock.jump(3600)
    assert (await here.start(agent, "bob")).run.grantee_uid == "bob"


async def test_a_days_cost_stops_a_run_that_is_under_way(here: SharingRig, agent: AgentId) -> None:
    here.rig.runner.forecast = Forecast(15, 7)
    await here.grant(agent, "bob", RUN, max_cost_usd_micros_per_day=10)
    runs = [(await here.start(agent, "bob")).run for _ in range(2)]
    await here.rig.drain()
    ended = [await here.rig.run(run.id) for run in runs]
    assert [run.error and run.error.code for run in ended] == [None, "quota_exceeded"]
    assert [run.usage.requests for run in ended] == [1, 0]


async def test_another_grant_helps_when_the_days_cost_is_reached(here: SharingRig, agent: AgentId) -> None:
    await here.grant(agent, "bob", RUN, max_cost_usd_micros_per_day=1)
    await here.grant(agent, "everyone", RUN, max_runs=1)
    assert (await here.start(agent, "bob")).run.grantee_uid == "bob"
    await here.rig.drain()
    assert (await here.start(agent, "bob")).run.grantee_uid == "everyone"
    with pytest.raises(ResourceExhausted):
        await here.start(agent, "bob")


async def test_system_agents_are_administered_by_role_and_not_by_grants(here: SharingRig) -> None:
    admin, other = person("root", "admin"), person("boss", "admin")
    system, _ = await create_agent(shelf(here), admin, proposal(scope="system"))
    with pytest.raises(FailedPrecondition):
        await here.grant(system.id, "bob", EDIT, by=admin)
    await update_agent(shelf(here), other, system.id, proposal(scope="system", description="new"))
    demoted = Identity(admin.uid, "user")
    with pytest.raises(PermissionDenied):
        await update_agent(shelf(here), demoted, system.id, proposal())
    assert (await here.start(system.id, "eve")).run.grantee_uid is None
    await delete_agent(shelf(here), other, system.id)


async def test_two_who_grant_at_once_both_succeed_and_the_last_one_counts(here: SharingRig, agent: AgentId) -> None:
    inner = here.documents

    async def another() -> None:
        here.rig.documents = inner
        await here.grant(agent, "bob", EDIT)

    here.rig.documents = InterferingDocuments(inner, another, before_commit=1)
    await here.grant(agent, "bob", VIEW)
    assert (await get_grant(inner, BOB, agent, BOB.uid)).grant.permission is VIEW


@pytest.mark.parametrize("granting", [True, False], ids=["granting", "revoking"])
async def test_an_outcome_that_is_not_known_is_told(here: SharingRig, agent: AgentId, *, granting: bool) -> None:
    await here.grant(agent, "bob", RUN)

    async def lose() -> None:
        raise OutcomeUnknown

    here.rig.documents = InterferingDocuments(here.documents, lose, before_commit=1)
    asking: Any = here.grant(agent, "bob", VIEW) if granting else revoke_grant(here.documents, OWNER, agent, BOB.uid)
    with pytest.raises(Unavailable):
        await asking


@pytest.mark.parametrize("granting", [True, False], ids=["granting", "revoking"])
async def test_a_grant_that_others_keep_changing_is_given_up(
    here: SharingRig, agent: AgentId, *, granting: bool
) -> None:
    await here.grant(agent, "bob", RUN)
    inner, used = here.documents, itertools.count(1)

    async def use_it() -> None:
        await inner.commit([Update(grant_path(agent, BOB.uid), {"runs_used": next(used)})])

    here.rig.documents = InterferingDocuments(inner, use_it, before_each=1)
    changing: Any = here.grant(agent, "bob", VIEW) if granting else revoke_grant(here.documents, OWNER, agent, BOB.uid)
    with pytest.raises(Aborted):
        await in_time(here.rig.clock, changing)


async def runs_under(here: SharingRig, agent: AgentId) -> list[str]:
    paths = [path for path in here.documents.paths if path.startswith("runs/") and path.count("/") == 1]
    found = [(await here.documents.get(path)).fields for path in paths]
    return [run["id"] for run in found if run["agent_id"] == agent]


async def test_errors_of_sharing_are_the_domains_own() -> None:
    assert issubclass(GrantUsedUp, DomainError)
    assert (GrantUsedUp.code, GrantUsedUp.retryable) == ("grant_used_up", False)


async def test_an_agent_begins_with_the_grants_that_its_author_asked_for(here: SharingRig) -> None:
    permissions = {"public": True, "shared_with": ["bob-name", "eve@example.com", "bob", ANN]}
    await here.settle(ANN)
    with_people = replace(shelf(here), directory=here.directory)
    agent, _ = await create_agent(with_people, OWNER, proposal(permissions=permissions))
    known = (await list_grants(here.documents, OWNER, agent.id, 10, None)).items
    assert {(one.grant.grantee_uid, one.grant.permission) for one in known} == {
        ("bob", RUN),
        ("eve", RUN),
        ("everyone", RUN),
    }
    assert [one.agent.id for one in (await list_shared_agents(here.documents, EVE, 10, None)).items] == [agent.id]
    await revoke_grant(here.documents, OWNER, agent.id, EVE.uid)
    await update_agent(shelf(here), OWNER, agent.id, proposal(permissions=permissions))
    assert len((await list_grants(here.documents, OWNER, agent.id, 10, None)).items) == 2


async def test_who_imports_or_copies_a_definition_shares_nothing(here: SharingRig) -> None:
    shared = proposal(permissions={"public": True, "shared_with": ["nobody-at-all"]})
    imported, _ = await import_agent(shelf(here), OWNER, shared)
    copy, _ = await clone_agent(shelf(here), OWNER, imported.id)
    for agent in (imported, copy):
        assert (await list_grants(here.documents, OWNER, agent.id, 10, None)).items == ()


async def test_everybody_who_is_shared_with_and_does_not_exist_is_told_at_once(here: SharingRig) -> None:
    named = ["nobody", "bob", "eve@example.com"]  # addresses are not looked up without a directory
    with pytest.raises(InvalidArgument) as refused:
        await create_agent(shelf(here), OWNER, proposal(permissions={"shared_with": named}))
    assert [fault.path for fault in refused.value.faults] == ["permissions.shared_with.0", "permissions.shared_with.2"]
    with pytest.raises(InvalidArgument) as refused:
        await create_agent(shelf(here), OWNER, proposal(permissions={"shared_with": ["bob"] * 51}))
    assert refused.value.faults[0].path == "permissions.shared_with"
    assert [path for path in here.documents.paths if path.startswith("agents/")] == []
