"""Who may use which route: the matrix that the API is held to."""

from __future__ import annotations

from typing import Any

from shared.domain.grants import Permission
from tests.support.acl.roles import Row, administered, granted, owned, public, read, signed_in

VIEW, RUN, EDIT, ADMIN = Permission
HELPER: dict[str, Any] = {"name": "another", "model": "local:scripted"}
ASKED = {"critic": {"description": "Judges."}}
AD_HOC: dict[str, dict[str, Any]] = {
    "single": HELPER,
    "delegation": {**HELPER, "agents": ASKED},
    "graph": {**HELPER, "graph": {"nodes": {"say": {"kind": "agent", "prompt": "Hello."}}}},
}
SYSTEM = {"agent_id": "system"}
DELETED = {"agent_id": "deleted"}
PUBLIC = {"agent_id": "public"}

GRANTING = granted(ADMIN, 201)
OWN_OR_MANAGED = granted(ADMIN, 200, viewer=200)  # the grant in question is the viewer's
GIVEN_UP = granted(ADMIN, 404, viewer=204, runner=204, editor=204, manager=204, former=204)
NOT_THERE = signed_in(404)
OWNERS_ALONE = signed_in(403, owner=200)  # of what everyone may run

AUTH = [
    Row(
        "POST /auth/register",
        public(201),
        {"email": "new@example.com", "username": "newcomer", "password": "correct horse"},
    ),
    Row("POST /auth/login", public(200), {"email": "owner@example.com", "password": "correct horse"}),
    Row("POST /auth/login", public(401), {"email": "owner@example.com", "password": "wrong horse"}, note="wrongly"),
    Row("POST /auth/refresh", public(200), {"refresh_token": "owner"}),
    Row("POST /auth/password-reset", public(202), {"email": "owner@example.com"}),
    Row("POST /auth/password-reset/confirm", public(204), {"code": "c", "new_password": "correct horse"}),
    Row("POST /auth/email-verification", signed_in(202)),
    Row("POST /auth/email-verification/confirm", public(204), {"code": "c"}),
    Row("GET /auth/me", signed_in(200)),
    Row("GET /users/me", signed_in(200)),
    Row("PUT /users/me", signed_in(200), {"display_name": "New"}),
    Row("POST /users/{user_id}/deactivate", administered(200)),
    Row("POST /users/{user_id}/reactivate", administered(200)),
    Row("GET /users/me/usage", signed_in(200)),
    Row("GET /users/{user_id}/usage", administered(200)),
    Row("PUT /users/{user_id}/quota", administered(200), {"runs_per_day": 9}),
]

AGENTS = [
    Row("POST /agents", signed_in(201), HELPER),
    Row("POST /agents", administered(201), {**HELPER, "scope": "system"}, note="of the system"),
    Row("POST /agents/import", signed_in(201), HELPER),
    Row("POST /agents/validate", signed_in(200), HELPER),
    Row("GET /agents", signed_in(200)),
    Row("GET /agents/schema", public(200)),
    Row("GET /agents/shared", signed_in(200)),
    Row("GET /users/{user_id}/agents", signed_in(200)),
    Row("GET /models", signed_in(200)),
    Row("GET /tools", signed_in(200)),
    Row("GET /agents/{agent_id}", granted(VIEW, 200)),
    Row("GET /agents/{agent_id}", signed_in(200), at=SYSTEM, note="of the system"),
    Row("GET /agents/{agent_id}", signed_in(200), at=PUBLIC, note="for everyone"),
    Row("GET /agents/{agent_id}", NOT_THERE, at=DELETED, note="deleted"),
    Row("GET /agents/{agent_id}", granted(EDIT, 200), query="?draft=true", note="draft"),
    Row("PUT /agents/{agent_id}", granted(EDIT, 200), HELPER),
    Row("PUT /agents/{agent_id}", administered(200), {**HELPER, "scope": "system"}, SYSTEM, note="of the system"),
    Row("PUT /agents/{agent_id}", OWNERS_ALONE, HELPER, PUBLIC, note="for everyone"),
    Row("PUT /agents/{agent_id}", NOT_THERE, HELPER, DELETED, note="deleted"),
    Row("PUT /agents/{agent_id}", granted(EDIT, 428), HELPER, query="?draft=true", note="draft, unseen"),
    Row("DELETE /agents/{agent_id}", granted(ADMIN, 204)),
    Row("DELETE /agents/{agent_id}", administered(204), at=SYSTEM, note="of the system"),
    Row("DELETE /agents/{agent_id}", granted(EDIT, 204), query="?draft=true", note="draft"),
    Row("POST /agents/{agent_id}/restore", granted(ADMIN, 200), at=DELETED),
    Row("POST /agents/{agent_id}/clone", granted(VIEW, 201)),
    Row("POST /agents/{agent_id}/clone", signed_in(201), at=SYSTEM, note="of the system"),
    Row("GET /agents/{agent_id}/export", granted(VIEW, 200)),
    Row("POST /agents/{agent_id}/versions", granted(EDIT, 201), {"definition": HELPER}),
    Row("POST /agents/{agent_id}/versions", granted(EDIT, 201), {}, note="of the draft"),
    Row("GET /agents/{agent_id}/versions", granted(VIEW, 200)),
    Row("GET /agents/{agent_id}/versions/{version}", granted(VIEW, 200)),
    Row("GET /agents/{agent_id}/versions/{version}", signed_in(200), at=PUBLIC, note="for everyone"),
    Row("GET /agents/{agent_id}/versions/{version}/diff/{other}", granted(VIEW, 200), at={"other": "1"}),
    Row(
        "GET /agents/{agent_id}/versions/{version}/diff/{other}",
        granted(EDIT, 200),
        at={"other": "draft"},
        note="with the draft",
    ),
    Row("GET /agents/{agent_id}/aliases", granted(VIEW, 200)),
    Row("PUT /agents/{agent_id}/aliases/{alias}", granted(EDIT, 200), {"version": 1}),
    Row("DELETE /agents/{agent_id}/aliases/{alias}", granted(EDIT, 204)),
]

GRANTS = [
    Row("POST /agents/{agent_id}/grants", GRANTING, {"grantee": "stranger", "permission": "edit"}),
    Row(
        "POST /agents/{agent_id}/grants",
        granted(ADMIN, 201, manager=403),
        {"grantee": "stranger", "permission": "admin"},
        note="an administrator",
    ),
    Row(
        "POST /agents/{agent_id}/grants",
        granted(ADMIN, 200, manager=403),
        {"grantee": "manager", "permission": "view"},
        note="less to an administrator",
    ),
    Row("POST /agents/{agent_id}/grants", GRANTING, {"grantee": "everyone", "permission": "run"}, note="to everyone"),
    Row(
        "POST /agents/{agent_id}/grants",
        granted(ADMIN, 400),
        {"grantee": "nobody-at-all", "permission": "run"},
        note="to nobody",
    ),
    Row(
        "POST /agents/{agent_id}/grants",
        signed_in(403, admin=400),
        {"grantee": "stranger", "permission": "run"},
        SYSTEM,
        note="of the system",
    ),
    Row("GET /agents/{agent_id}/history", granted(VIEW, 200)),
    Row("GET /agents/{agent_id}/history", granted(ADMIN, 200), query="?topic=grant", note="of grants"),
    Row("GET /agents/{agent_id}/history", NOT_THERE, at=DELETED, note="deleted"),
    Row("GET /agents/{agent_id}/grants", granted(ADMIN, 200)),
    Row("GET /agents/{agent_id}/grants", OWNERS_ALONE, at=PUBLIC, note="for everyone"),
    Row("GET /agents/{agent_id}/grants/{grantee}", OWN_OR_MANAGED),
    Row("DELETE /agents/{agent_id}/grants/{grantee}", granted(ADMIN, 204, viewer=204)),
    Row(
        "DELETE /agents/{agent_id}/grants/{grantee}",
        granted(ADMIN, 204, manager=403),
        at={"grantee": "deactivated"},
        note="of an administrator",
    ),
    Row("DELETE /agents/{agent_id}/grants/{grantee}", GIVEN_UP, at={"grantee": "me"}, note="one's own"),
]

SECRETS = [
    Row("PUT /secrets/{name}", signed_in(201, owner=200), {"value": "a-new-secret"}),
    Row("GET /secrets", signed_in(200)),
    Row("DELETE /secrets/{name}", signed_in(404, owner=204)),
]

RUNS = [
    Row("POST /runs", granted(RUN, 202), {"agent_id": "{agent_id}", "input": "hello"}),
    Row("POST /agents/{agent_id}/execute", granted(RUN, 202), {"input": "hello"}),
    Row("POST /agents/{agent_id}/execute", signed_in(202), {"input": "hello"}, PUBLIC, note="for everyone"),
    Row("POST /agents/{agent_id}/execute", NOT_THERE, {"input": "hello"}, DELETED, note="deleted"),
    Row("POST /runs", signed_in(202), {"agent_id": "{system}", "input": "hello"}, note="of the system"),
    Row("POST /runs", signed_in(202), {"agent_id": "{public}", "input": "hello"}, note="for everyone"),
    Row("POST /runs", NOT_THERE, {"agent_id": "{deleted}", "input": "hello"}, note="of a deleted agent"),
    Row(
        "POST /runs",
        granted(EDIT, 202, runner=404),
        {"agent_id": "{agent_id}", "version": "draft", "input": "hello"},
        note="of the draft",
    ),
    Row("POST /runs", owned(202), {"session_id": "{session_id}", "input": "hello"}, note="in a session"),
    *(
        Row(f"POST /workflows/{shape}", signed_in(202), {"definition": definition, "input": "hello"}, note="ad hoc")
        for shape, definition in AD_HOC.items()
    ),
    Row("POST /workflows/single", granted(RUN, 202), {"agent_id": "{agent_id}", "input": "hello"}),
    Row("GET /runs", signed_in(200)),
    Row("GET /runs/{run_id}", read(200)),
    Row("GET /runs/{run_id}/nodes", read(200)),
    Row("POST /runs/{run_id}/cancel", owned(202)),
    Row("POST /runs/{run_id}/pause", owned(400), note="of a success"),
    Row("POST /runs/{run_id}/resume", owned(400), note="of a success"),
    Row("POST /runs/{run_id}/retry", owned(400), note="of a success"),
    Row("POST /runs/{run_id}/replay", owned(202), {"from": "main"}),
    Row("POST /sessions/{session_id}/regenerate", owned(202)),
    Row("POST /sessions", granted(RUN, 201), {"agent_id": "{agent_id}"}),
    Row("POST /sessions", signed_in(201), {"agent_id": "{system}"}, note="with the system's"),
    Row("POST /sessions", signed_in(201), {"agent_id": "{public}"}, note="for everyone"),
    Row("GET /sessions", signed_in(200)),
    Row("GET /sessions", signed_in(200), query="?shared=true", note="of others"),
    Row("GET /sessions/{session_id}", read(200)),
    Row("DELETE /sessions/{session_id}", owned(204)),
    Row("POST /sessions/{session_id}/fork", owned(201)),
    Row("GET /sessions/{session_id}/history", read(200)),
    Row("POST /sessions/{session_id}/readers", owned(201), {"reader": "stranger"}),
    Row("DELETE /sessions/{session_id}/readers/{reader}", read(204)),
    Row("PUT /sessions/{session_id}/artifacts", owned(201), b"new", query="?name=b.txt"),
    Row("GET /sessions/{session_id}/artifacts", read(200)),
    Row("GET /sessions/{session_id}/artifacts", read(200), query="?name=a.txt", note="one"),
    Row("POST /sessions/{session_id}/messages", owned(200), {"input": "hello", "stream": False}),
    Row("GET /sessions/{session_id}/events", read(200)),
]

OWNERS_OWN = signed_in(404, owner=200)
READERS_OWN = signed_in(404, reader=200)
QUESTION = {"approval_id": "question"}

APPROVALS = [
    Row("GET /approvals", signed_in(200)),
    Row("GET /approvals/count", signed_in(200)),
    Row("GET /approvals/{approval_id}", OWNERS_OWN),
    Row("GET /approvals/{approval_id}", READERS_OWN, at=QUESTION, note="asked of another"),
    Row("POST /approvals/{approval_id}/approve", OWNERS_OWN),
    Row("POST /approvals/{approval_id}/deny", OWNERS_OWN),
    Row("POST /approvals/{approval_id}/answer", READERS_OWN, {"answer": "this"}, QUESTION),
]

KNOWLEDGE = [
    Row("POST /knowledge", signed_in(201), {"name": "new"}),
    Row("GET /knowledge", signed_in(200)),
    Row("GET /knowledge", signed_in(200), query="?shared=true", note="of others"),
    Row("POST /knowledge/{collection_id}/readers", owned(201), {"reader": "stranger"}),
    Row("DELETE /knowledge/{collection_id}/readers/{reader}", read(204)),
    Row("GET /knowledge/{collection_id}", read(200)),
    Row("DELETE /knowledge/{collection_id}", owned(204)),
    Row("PUT /knowledge/{collection_id}/documents", owned(202), b"text", query="?name=b.txt"),
    Row("GET /knowledge/{collection_id}/documents", read(200)),
    Row("GET /knowledge/{collection_id}/documents/{document_id}", read(200)),
    Row("DELETE /knowledge/{collection_id}/documents/{document_id}", owned(204)),
    Row("POST /knowledge/{collection_id}/documents/{document_id}/refresh", owned(202)),
]

PLAN = {"name": "daily", "agent_id": "{agent_id}", "input": "hello", "cron": "0 9 * * *"}
SYSTEM_PLAN = {**PLAN, "agent_id": "{system}"}

SCHEDULES = [
    Row("POST /schedules", granted(RUN, 201), PLAN),
    Row("POST /schedules", signed_in(201), SYSTEM_PLAN, note="of the system's agent"),
    Row("GET /schedules", signed_in(200)),
    Row("GET /schedules/{schedule_id}", OWNERS_OWN),
    Row("PUT /schedules/{schedule_id}", OWNERS_OWN, SYSTEM_PLAN),
    Row("DELETE /schedules/{schedule_id}", signed_in(404, owner=204)),
    Row("POST /schedules/{schedule_id}/pause", OWNERS_OWN),
    Row("POST /schedules/{schedule_id}/resume", OWNERS_OWN),
    Row("POST /schedules/{schedule_id}/run-now", signed_in(404, owner=202)),
    Row("GET /schedules/{schedule_id}/history", OWNERS_OWN),
]

WEBHOOK = {"url": "https://receiver.example/hooks"}

WEBHOOKS = [
    Row("POST /webhooks", signed_in(201), WEBHOOK),
    Row("POST /webhooks", signed_in(400), {"url": "https://10.0.0.1/"}, note="to where nothing may be sent"),
    Row("GET /webhooks", signed_in(200)),
    Row("GET /webhooks/{webhook_id}", OWNERS_OWN),
    Row("PUT /webhooks/{webhook_id}", OWNERS_OWN, WEBHOOK),
    Row("POST /webhooks/{webhook_id}/rotate-secret", OWNERS_OWN),
    Row("GET /webhooks/{webhook_id}/deliveries", OWNERS_OWN),
    Row("POST /webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", signed_in(404, owner=202)),
    Row("DELETE /webhooks/{webhook_id}", signed_in(404, owner=204)),  # the last: no world brings its secrets back
]

OWNERS_OR_ADMINS = signed_in(404, owner=204, admin=204)

DEAD_LETTERS = [
    Row("GET /dead-letters", signed_in(200)),
    Row("GET /dead-letters", administered(200), query="?of_everyone=true", note="of everyone"),
    Row("POST /dead-letters/{letter_id}/requeue", OWNERS_OR_ADMINS),
    Row("POST /dead-letters/{letter_id}/discard", OWNERS_OR_ADMINS),
]

TEMPLATE = {"name": "template"}
TEMPLATES = [
    Row("GET /templates", signed_in(200)),
    Row("GET /templates/{name}", signed_in(200), at=TEMPLATE),
    Row("POST /templates/{name}/agents", signed_in(201), {}, TEMPLATE),
]

ROWS = [
    *AUTH,
    *AGENTS,
    *GRANTS,
    *SECRETS,
    *RUNS,
    *APPROVALS,
    *KNOWLEDGE,
    *TEMPLATES,
    *SCHEDULES,
    *WEBHOOKS,
    *DEAD_LETTERS,
]
