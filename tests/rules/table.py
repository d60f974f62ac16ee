"""Who may read what: the table that `firestore.rules` is held to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypeAlias


class Who(StrEnum):
    """A caller, as it stands to the documents of the table."""

    NOBODY = "nobody"  # carries no token
    OWNER = "owner"
    READER = "reader"  # named in `readers` of the session and the run
    FORMER_READER = "former_reader"  # was named there
    GRANTEE = "grantee"  # holds a grant on the private agent
    FORMER_GRANTEE = "former_grantee"  # held one that has expired
    STRANGER = "stranger"
    ADMIN = "admin"  # carries the role in the token: reads through the API, not past these rules
    DEACTIVATED = "deactivated"  # a reader and grantee who is shut out


class Read(StrEnum):
    """A way to read."""

    GET = "get"
    LIST = "list"
    LIST_OWN = "list where owner_uid is the caller"
    LIST_SHARED = "list where readers contains the caller"
    LIST_ASKED = "list where asked contains the caller"
    LIST_SYSTEM = "list where scope is system"


class Change(StrEnum):
    """A way to write."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


Seen: TypeAlias = Mapping[Who, frozenset[Read]]


def reads(**seen: str) -> Seen:
    """By caller, the names of the reads that show the document."""
    return {Who(who): frozenset(Read[name] for name in names.split()) for who, names in seen.items()}


@dataclass(frozen=True, slots=True)
class Row:
    """A document, and who sees it how. Whoever is not named is refused, and nobody writes."""

    path: str
    seen: Seen = field(default_factory=dict[Who, frozenset[Read]])
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])


NEVER = reads()
TOP = reads(owner="GET LIST_OWN", reader="GET LIST_SHARED")
BELOW = reads(owner="GET LIST_OWN", reader="GET LIST")
SYSTEM_READ = "GET LIST_SYSTEM"
PEOPLE = [who for who in Who if who not in {Who.NOBODY, Who.DEACTIVATED}]
EVERYBODY = {who: frozenset({Read.GET, Read.LIST_SYSTEM}) for who in PEOPLE}
EVERYBODY_BELOW = {who: frozenset({Read.GET, Read.LIST}) for who in PEOPLE}
OWNERS = reads(owner="GET LIST_OWN")
TO_ALL: Seen = {**{who: frozenset({Read.GET}) for who in PEOPLE}, **OWNERS}
TO_ALL_BELOW: Seen = {**EVERYBODY_BELOW, **reads(owner="GET LIST LIST_OWN")}

OWNED: Mapping[str, Any] = {"owner_uid": Who.OWNER}
IN_SESSION: Mapping[str, Any] = {"owner_uid": Who.OWNER, "readers": [], "session_id": "s"}
LIVE: Mapping[str, Any] = {**OWNED, "constraints": {"expires_at": None}}
LIVE_STILL: Mapping[str, Any] = {**OWNED, "constraints": {"expires_at": datetime(2999, 1, 1, tzinfo=UTC)}}
EXPIRED: Mapping[str, Any] = {**OWNED, "constraints": {"expires_at": datetime(2020, 1, 1, tzinfo=UTC)}}
SHARED: Mapping[str, Any] = {"owner_uid": Who.OWNER, "readers": [Who.READER, Who.DEACTIVATED]}
PRIVATE_AGENT: Mapping[str, Any] = {"owner_uid": Who.OWNER, "scope": "user", "is_active": True}
SYSTEM_AGENT: Mapping[str, Any] = {"owner_uid": "fireloom", "scope": "system", "is_active": True}

ROWS = [
    Row("users/{owner}", reads(owner="GET"), {"uid": Who.OWNER, "owner_uid": Who.OWNER}),
    Row("users/{deactivated}", NEVER, {"uid": Who.DEACTIVATED}),
    Row("users/{owner}/secrets/token", NEVER, OWNED),
    Row("users/{owner}/shared_agents/private", NEVER, OWNED),
    Row("usernames/somebody", NEVER, {"uid": Who.OWNER, "owner_uid": Who.OWNER}),
    Row("registrations/0123", NEVER, OWNED),
    Row("deactivated/{deactivated}", NEVER, OWNED),
    Row("agents/private", reads(owner="GET LIST_OWN", grantee="GET"), PRIVATE_AGENT),
    Row("agents/private/versions/1", reads(owner="GET LIST_OWN", grantee="GET LIST"), OWNED),
    Row("agents/private/drafts/current", NEVER, OWNED),
    Row("agents/private/grants/{grantee}", reads(owner="GET LIST_OWN", grantee="GET"), LIVE_STILL),
    Row("agents/private/grants/{former_grantee}", reads(owner="GET LIST_OWN", former_grantee="GET"), EXPIRED),
    Row("agents/private/grants/{deactivated}", OWNERS, LIVE),
    Row("agents/private/drafts/current", NEVER, OWNED),
    Row("agents/private/history/alias-000000000002", NEVER, OWNED),
    Row("agents/shared", TO_ALL, PRIVATE_AGENT),
    Row("agents/shared/versions/1", TO_ALL_BELOW, OWNED),
    Row("agents/shared/grants/everyone", OWNERS, LIVE),
    Row("agents/lapsed", OWNERS, PRIVATE_AGENT),
    Row("agents/lapsed/versions/1", OWNERS, OWNED),
    Row("agents/lapsed/grants/everyone", OWNERS, EXPIRED),
    Row("agents/garbled", OWNERS, PRIVATE_AGENT),
    Row("agents/garbled/grants/everyone", OWNERS, OWNED),
    Row("agents/deleted", OWNERS, {**PRIVATE_AGENT, "is_active": False}),
    Row("agents/deleted/versions/1", OWNERS, OWNED),
    Row("agents/deleted/grants/{grantee}", reads(owner="GET LIST_OWN", grantee="GET"), LIVE),
    Row("agents/system", EVERYBODY, SYSTEM_AGENT),
    Row("agents/system/versions/1", EVERYBODY_BELOW, {"owner_uid": "fireloom"}),
    Row("agents/withdrawn", NEVER, {**SYSTEM_AGENT, "is_active": False}),
    Row("agents/withdrawn/versions/1", NEVER, {"owner_uid": "fireloom"}),
    Row("agent_names/0123", NEVER, OWNED),
    Row("sessions/s", TOP, SHARED),
    Row("sessions/s/events/000000000001", BELOW, OWNED),
    Row("sessions/s/messages/000000000001", NEVER, OWNED),
    Row("sessions/s/state_changes/000000000001", NEVER, OWNED),
    Row("sessions/s/artifacts/a.txt", BELOW, OWNED),
    Row("sessions/s/artifacts/a.txt/versions/1", BELOW, OWNED),
    Row("sessions/s/artifacts/a.txt/versions/1/chunks/0123-0000", BELOW, OWNED),
    Row("slots/s", NEVER, OWNED),
    Row("knowledge/c", TOP, SHARED),
    Row("knowledge/c/documents/d", BELOW, OWNED),
    Row("knowledge/c/documents/d/contents/0123-0000", NEVER, OWNED),
    Row("passages/0123", NEVER, {**OWNED, "collection_id": "c"}),
    Row("ingestions/0123", NEVER, OWNED),
    Row("approvals/own", reads(owner="GET LIST_ASKED"), {**OWNED, "asked": [Who.OWNER]}),
    Row("approvals/others", reads(reader="GET LIST_ASKED"), {**OWNED, "asked": [Who.READER, Who.DEACTIVATED]}),
    Row("usage/{owner}", reads(owner="GET"), OWNED),
    Row("usage/{owner}/days/2026-01-01", OWNERS, OWNED),
    Row("usage/{owner}/ledgers/now", OWNERS, OWNED),
    Row("agents/private/grants/{grantee}/days/2026-01-01", OWNERS, OWNED),
    Row("schedules/s", OWNERS, OWNED),
    Row("ticks/0123", OWNERS, OWNED),
    Row("facts/0123", NEVER, OWNED),
    Row("webhooks/0123", NEVER, OWNED),
    Row("deliveries/0123", OWNERS, OWNED),
    Row("dead_letters/0123", OWNERS, OWNED),
    Row("suspects/0123", NEVER, OWNED),
    Row("runs/r", TOP, SHARED),
    Row("runs/r/plan/0", BELOW, OWNED),
    Row("runs/r/ledgers/budget", BELOW, OWNED),
    Row("runs/r/nodes/main~0", BELOW, OWNED),
    Row("runs/r/nodes/main~0/segments/0000-0001-000000", BELOW, OWNED),
    Row("runs/r/nodes/main~0/journal/response-0", NEVER, OWNED),
    Row("runs/later", reads(owner="GET LIST_OWN", reader="GET"), IN_SESSION),
    Row("runs/later/plan/0", BELOW, OWNED),
    Row("runs/later/nodes/main~0", BELOW, OWNED),
    Row("runs/later/nodes/main~0/segments/0000-0001-000000", BELOW, OWNED),
    Row("runs/orphan", OWNERS, {**IN_SESSION, "session_id": "gone"}),
    Row("runs/orphan/nodes/main~0", OWNERS, OWNED),
    Row("runs/r/joins/end~0", NEVER, OWNED),
    Row("leases/r~main~0~1", NEVER, OWNED),
    # Collections of the design that no rule opens yet.
    Row("listings/private", NEVER, OWNED),
    Row("listings/private/ratings/{owner}", NEVER, OWNED),
    Row("traces/t/spans/s", NEVER, OWNED),
    Row("anything/else", NEVER, OWNED),
]
