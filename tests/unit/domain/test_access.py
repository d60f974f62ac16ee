"""Who may do what with an agent: the decision, as a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.access import Access, check_granting, check_revoking, decide, grants_to_run, needs_grants
from shared.domain.agents import Agent
from shared.domain.errors import DomainError, GrantUsedUp, InvalidArgument, NotFound, PermissionDenied
from shared.domain.grants import EVERYONE, Constraints, Grant, Permission
from shared.domain.ids import AgentId, Uid
from shared.domain.records import parse, render
from shared.domain.users import ROLES, Role

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWNER, ADA, BOB = Uid("owner"), Uid("ada"), Uid("bob")
VIEW, RUN, EDIT, ADMIN = Permission
AGENT = Agent(AgentId("a"), OWNER, "helper", "", "user", 1, "1.0.0", NOW, NOW)
SYSTEM = replace(AGENT, scope="system")
PAST, FUTURE = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


def grant(permission: Permission, to: Uid = ADA, **constraints: Any) -> Grant:
    used = constraints.pop("used", 0)
    return Grant(AGENT.id, OWNER, to, permission, NOW, OWNER, Constraints(**constraints), used)


def test_each_permission_includes_those_before_it() -> None:
    order = [VIEW, RUN, EDIT, ADMIN]
    assert [[higher.includes(lower) for lower in order] for higher in order] == [
        [True, False, False, False],
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]


@pytest.mark.parametrize(
    ("agent", "uid", "role", "grants", "permission"),
    [
        (AGENT, OWNER, "user", [], ADMIN),
        (AGENT, OWNER, "user", [grant(VIEW, OWNER)], ADMIN),
        (AGENT, ADA, "user", [], None),
        (AGENT, ADA, "moderator", [], None),
        (AGENT, ADA, "admin", [], None),
        *[(AGENT, ADA, "user", [grant(one)], one) for one in Permission],
        (AGENT, ADA, "user", [grant(EDIT, BOB)], None),
        (AGENT, ADA, "user", [grant(VIEW, EVERYONE)], VIEW),
        (AGENT, ADA, "user", [grant(VIEW), grant(RUN, EVERYONE)], RUN),
        (AGENT, ADA, "user", [grant(EDIT), grant(RUN, EVERYONE)], EDIT),
        (AGENT, ADA, "user", [grant(EDIT, expires_at=FUTURE)], EDIT),
        (AGENT, ADA, "user", [grant(EDIT, expires_at=NOW)], None),
        (AGENT, ADA, "user", [grant(EDIT, expires_at=PAST), grant(VIEW, EVERYONE)], VIEW),
        (AGENT, ADA, "user", [grant(RUN, max_runs=1, used=1)], RUN),
        (SYSTEM, ADA, "user", [], RUN),
        (SYSTEM, ADA, "user", [grant(ADMIN)], RUN),
        (SYSTEM, ADA, "moderator", [], RUN),
        (SYSTEM, ADA, "admin", [], ADMIN),
        (SYSTEM, OWNER, "user", [], RUN),
        (SYSTEM, OWNER, "admin", [], ADMIN),
    ],
)
def test_what_somebody_may_do(
    agent: Agent, uid: Uid, role: Role, grants: list[Grant], permission: Permission | None
) -> None:
    access = decide(agent, uid, role, grants, NOW)
    assert access.permission is permission
    assert access.owns is (agent is AGENT and uid == OWNER)
    for needed in Permission:
        allowed = permission is not None and permission.includes(needed)
        assert access.allows(needed) is allowed
        if not allowed:
            with pytest.raises(NotFound if permission is None else PermissionDenied):
                access.require(needed)


PERMISSIONS = st.sampled_from(list(Permission))
GRANTS = st.lists(
    st.builds(
        grant,
        PERMISSIONS,
        st.sampled_from([ADA, BOB, EVERYONE]),
        expires_at=st.sampled_from([None, PAST, NOW, FUTURE]),
        max_runs=st.sampled_from([None, 1, 2]),
        used=st.integers(0, 3),
    ),
    max_size=4,
)


@given(grants=GRANTS, role=st.sampled_from(ROLES), scope=st.sampled_from(["user", "system", "marketplace"]))
def test_nobody_has_more_than_was_granted(grants: list[Grant], role: Role, scope: Any) -> None:
    agent = replace(AGENT, scope=scope)
    access = decide(agent, ADA, role, grants, NOW)
    if not needs_grants(agent, ADA):
        assert access == decide(agent, ADA, role, [], NOW)
        return
    live = [one for one in grants if one.grantee_uid in {ADA, EVERYONE} and one.is_live(NOW)]
    assert (access.permission is None) is (live == [])
    assert access.permission is None or access.permission in {one.permission for one in live}
    assert all(access.allows(one.permission) for one in live)
    assert decide(agent, ADA, role, live, NOW) == access


@pytest.mark.parametrize(
    ("grants", "chosen"),
    [
        ([grant(RUN)], [ADA]),
        ([grant(VIEW), grant(RUN, EVERYONE)], [EVERYONE]),
        ([grant(RUN, max_runs=2), grant(RUN, EVERYONE)], [EVERYONE, ADA]),
        ([grant(RUN), grant(RUN, EVERYONE)], [ADA, EVERYONE]),
        ([grant(RUN, max_cost_usd_micros_per_day=5), grant(RUN, EVERYONE, max_runs=1)], [ADA, EVERYONE]),
        ([grant(RUN, max_runs=1, used=1), grant(RUN, EVERYONE, max_runs=9)], [EVERYONE]),
    ],
)
def test_a_run_uses_the_grant_that_is_limited_least(grants: list[Grant], chosen: list[Uid]) -> None:
    access = decide(AGENT, ADA, "user", grants, NOW)
    assert [one.grantee_uid for one in grants_to_run(access)] == chosen


def test_a_run_needs_no_grant_of_ones_own_agent_nor_of_the_systems() -> None:
    assert grants_to_run(decide(AGENT, OWNER, "user", [], NOW)) == ()
    assert grants_to_run(decide(SYSTEM, ADA, "user", [], NOW)) == ()


@pytest.mark.parametrize(
    ("grants", "error"),
    [
        ([], NotFound),
        ([grant(VIEW)], PermissionDenied),
        ([grant(RUN, max_runs=1, used=1)], GrantUsedUp),
        ([grant(ADMIN, max_runs=1, used=2), grant(VIEW, EVERYONE)], GrantUsedUp),
    ],
)
def test_a_run_that_was_not_granted_is_refused(grants: list[Grant], error: type[DomainError]) -> None:
    with pytest.raises(error):
        grants_to_run(decide(AGENT, ADA, "user", grants, NOW))


OWNS, BY_GRANT, EDITS, NOTHING = Access(ADMIN, owns=True), Access(ADMIN), Access(EDIT), Access(None)


@pytest.mark.parametrize(
    ("access", "new", "old", "error"),
    [
        (OWNS, grant(ADMIN), None, None),
        (OWNS, grant(VIEW), grant(ADMIN), None),
        (OWNS, grant(RUN, EVERYONE), None, None),
        (OWNS, grant(EDIT, EVERYONE), None, InvalidArgument),
        (OWNS, grant(ADMIN, EVERYONE), None, InvalidArgument),
        (OWNS, grant(VIEW, OWNER), None, InvalidArgument),
        (BY_GRANT, grant(EDIT), None, None),
        (BY_GRANT, grant(EDIT), grant(VIEW), None),
        (BY_GRANT, grant(ADMIN), None, PermissionDenied),
        (BY_GRANT, grant(VIEW), grant(ADMIN), PermissionDenied),
        (BY_GRANT, grant(ADMIN, BOB), grant(ADMIN, BOB), PermissionDenied),
        (EDITS, grant(VIEW), None, PermissionDenied),
        (NOTHING, grant(VIEW), None, NotFound),
    ],
)
def test_who_may_grant_what(access: Access, new: Grant, old: Grant | None, error: type[DomainError] | None) -> None:
    refused(error, lambda: check_granting(access, BOB, new, old))


@pytest.mark.parametrize(
    ("access", "held", "error"),
    [
        (OWNS, grant(ADMIN), None),
        (BY_GRANT, grant(EDIT), None),
        (BY_GRANT, grant(RUN, EVERYONE), None),
        (BY_GRANT, grant(ADMIN), PermissionDenied),
        (EDITS, grant(VIEW), PermissionDenied),
        (NOTHING, grant(VIEW), NotFound),
    ],
)
def test_who_may_revoke_what(access: Access, held: Grant, error: type[DomainError] | None) -> None:
    refused(error, lambda: check_revoking(access, BOB, held))


def test_a_grant_is_stored_with_all_its_fields() -> None:
    stored = grant(RUN, expires_at=FUTURE, max_runs=3, max_cost_usd_micros_per_day=7, used=2)
    fields = render(stored)
    assert {"agent_id", "grantee_uid", "permission", "constraints", "granted_at", "granted_by"} <= fields.keys()
    assert fields["constraints"]["expires_at"] == FUTURE
    assert parse(Grant, fields) == stored


def refused(error: type[DomainError] | None, check: Callable[[], None]) -> None:
    if error is None:
        check()
        return
    with pytest.raises(error):
        check()
