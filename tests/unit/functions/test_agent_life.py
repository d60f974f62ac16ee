"""The life of an agent over HTTP: drafts, versions, aliases, two editors at once, clones, deletion and return."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.support.in_process import Deployment, deployed

HELPER: dict[str, Any] = {"name": "helper", "model": "local:extractive"}


@pytest.fixture
async def here() -> AsyncIterator[Deployment]:
    async with deployed() as deployment:
        yield deployment


def scripted(text: str) -> dict[str, Any]:
    model = {"provider": "local", "model": "scripted", "script": [{"chunks": [text]}]}
    return {"name": "helper", "model": model}


async def versions_of(here: Deployment, path: str) -> list[int]:
    return [one["number"] for one in (await here.ask("GET", f"{path}/versions")).json()["items"]]


async def test_a_draft_is_kept_beside_the_version_that_runs(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    await here.ask("GET", f"{path}?draft=true", 404)
    saved = await here.ask("PUT", f"{path}?draft=true", json={**HELPER, "nam": "x"})
    draft = saved.json()
    assert saved.headers["etag"] == '"draft-1"'
    assert (draft["base"], draft["head"], draft["definition"]) == (1, 1, {**HELPER, "nam": "x"})
    assert [(fault["path"], fault["suggestion"]) for fault in draft["faults"]] == [("nam", "name")]
    assert (draft["faults"][0]["line"], draft["faults"][0]["column"]) == (1, 45)
    read = (await here.ask("GET", f"{path}?draft=true")).json()
    assert {**read, "faults": None} == {**draft, "faults": None}
    agent = (await here.ask("GET", path)).json()
    assert (agent["head"], agent["definition"]) == (1, HELPER)


async def test_a_published_draft_is_a_version_and_no_draft_any_more(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    await here.ask("PUT", f"{path}?draft=true", json={**HELPER, "description": "two", "version": "2.0"})
    answer = await here.ask("POST", f"{path}/versions", 201, json={"changelog": "It describes itself."})
    version = answer.json()
    assert answer.headers["location"] == f"{path}/versions/2"
    assert (version["number"], version["version_tag"], version["changelog"]) == (2, "2.0", "It describes itself.")
    text = '{"name":"helper","model":"local:extractive","description":"two","version":"2.0"}'
    assert version["digest"] == hashlib.sha256(text.encode()).hexdigest()
    assert (await here.ask("GET", f"{path}/versions/latest")).json() == version
    await here.ask("GET", f"{path}?draft=true", 404)
    await here.ask("POST", f"{path}/versions", 404)


async def test_a_draft_with_faults_is_not_published(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    await here.ask("PUT", f"{path}?draft=true", json={**HELPER, "tools": ["greb"], "version": 2})
    answer = await here.ask("POST", f"{path}/versions", 400)
    assert {fault["path"] for fault in answer.json()["faults"]} == {"tools.0", "version"}
    assert await versions_of(here, path) == [1]
    assert (await here.ask("GET", f"{path}?draft=true")).json()["revision"] == 1


async def test_a_definition_is_published_without_a_draft(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    body = {"changelog": "two", "definition": {**HELPER, "description": "two"}}
    assert (await here.ask("POST", f"{path}/versions", 201, json=body)).json()["definition"]["description"] == "two"
    answer = await here.ask("POST", f"{path}/versions", 400, json={"changlog": "x"})
    assert answer.json()["faults"] == [
        {"path": "changlog", "reason": "is not a known key here", "suggestion": "changelog"}
    ]


async def test_two_editors_of_a_draft_do_not_overwrite_each_other(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}?draft=true"
    await here.ask("PUT", path, json={**HELPER, "description": "Ada's"})
    blind = await here.ask("PUT", path, 428, json={**HELPER, "description": "blind"})
    assert blind.json()["code"] == "precondition_required"
    mine, other = (
        {**HELPER, "description": "one", "tools": ["grep"]},
        {**HELPER, "description": "two", "display_name": "Two"},
    )
    seen = {"If-Match": '"draft-1"'}
    await here.ask("PUT", path, json=mine, headers=seen)
    stale = (await here.ask("PUT", path, 412, json=other, headers=seen)).json()
    assert stale["code"] == "version_mismatch"
    assert stale["changed"]["etag"] == "draft-2"
    assert {
        (one["path"], one["kind"], one["old"], one["new"])
        for one in stale["changed"]["changes"]
        if one["path"] != "tools"
    } == {
        ("description", "changed", "two", "one"),
        ("display_name", "removed", "Two", None),
    }
    await here.ask("PUT", path, json=other, headers={"If-Match": '"draft-2"'})
    await here.ask("PUT", path, json=mine, headers={"If-Match": "*"})
    await here.ask("DELETE", path, 412, headers=seen)
    await here.ask("DELETE", path, 204)
    await here.ask("PUT", path, 412, json=mine, headers=seen)
    await here.ask("DELETE", path, 404)


async def test_two_editors_who_begin_a_draft_at_once_make_one(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}?draft=true"
    answers = await asyncio.gather(
        *(
            here.client.put(path, json={**HELPER, "description": str(n)}, headers={"Authorization": "Bearer ada"})
            for n in range(4)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 428, 428, 428]


async def test_a_draft_that_was_overtaken_by_a_version_says_what_changed(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    await here.ask("PUT", f"{path}?draft=true", json={**HELPER, "description": "draft"})
    await here.ask("PUT", f"{path}?changelog=hotfix", json={**HELPER, "display_name": "Fixed"})
    stale = (await here.ask("POST", f"{path}/versions", 412)).json()
    assert (stale["changed"]["since"], stale["changed"]["head"]) == (1, 2)
    assert stale["changed"]["latest"]["changelog"] == "hotfix"
    assert stale["changed"]["changes"] == [{"path": "display_name", "kind": "added", "old": None, "new": "Fixed"}]
    seen = {"If-Match": f'"{stale["changed"]["etag"]}"'}
    await here.ask("POST", f"{path}/versions", 201, headers=seen)
    assert await versions_of(here, path) == [3, 2, 1]


async def test_the_second_of_two_saves_is_told_what_the_first_changed(here: Deployment) -> None:
    created = await here.ask("POST", "/agents", 201, json={**HELPER, "tools": ["grep"]})
    path, seen = created.headers["location"], {"If-Match": created.headers["etag"]}
    await here.ask("PUT", path, json={**HELPER, "tools": ["find", "grep"]}, headers=seen)
    stale = (await here.ask("PUT", path, 412, json={**HELPER, "description": "mine"}, headers=seen)).json()
    assert stale["changed"]["changes"] == [{"path": "tools.0", "kind": "added", "old": None, "new": "find"}]
    assert await versions_of(here, path) == [2, 1]


@pytest.mark.parametrize(
    ("method", "rest", "body"),
    [
        ("PUT", "", HELPER),
        ("PUT", "?draft=true", HELPER),
        ("DELETE", "", None),
        ("POST", "/versions", {"definition": HELPER}),
        ("PUT", "/aliases/prod", {"version": 1}),
        ("DELETE", "/aliases/beta", None),
    ],
)
async def test_every_write_heeds_what_its_author_saw(here: Deployment, method: str, rest: str, body: Any) -> None:
    path = f"/agents/{(await here.make())['id']}"
    await here.ask("PUT", f"{path}/aliases/beta", json={"version": 1}, headers={"If-Match": '"1-1"'})
    sent: dict[str, Any] = {} if body is None else {"json": body}
    stale = (await here.ask(method, path + rest, 412, headers={"If-Match": '"1-1"'}, **sent)).json()
    assert stale["changed"]["etag"] == "1-2"
    refused = (await here.ask(method, path + rest, 400, headers={"If-Match": "1-2"}, **sent)).json()
    assert refused["faults"][0]["path"] == "header.if-match"
    answer = await here.client.request(
        method, path + rest, headers={"If-Match": '"1-2"', "Authorization": "Bearer ada"}, **sent
    )
    assert answer.is_success, answer.text


async def test_any_two_versions_are_compared(here: Deployment) -> None:
    path = f"/agents/{(await here.make(tools=['grep', 'find'], description='one'))['id']}"
    await here.ask("PUT", path, json={**HELPER, "tools": ["find", {"name": "diff"}], "display_name": "Helper"})
    await here.ask("PUT", f"{path}?draft=true", json={**HELPER, "tools": ["find"]})

    async def diff(old: Any, new: Any) -> list[tuple[Any, ...]]:
        found = (await here.ask("GET", f"{path}/versions/{old}/diff/{new}")).json()
        return [tuple(one[key] for key in ("path", "kind", "old", "new")) for one in found["changes"]]

    assert await diff(1, 2) == [
        ("description", "removed", "one", None),
        ("tools.0", "removed", "grep", None),
        ("tools.1", "added", None, {"name": "diff"}),
        ("display_name", "added", None, "Helper"),
    ]
    assert await diff(2, "latest") == []
    assert await diff("latest", "draft") == [
        ("display_name", "removed", "Helper", None),
        ("tools.1", "removed", {"name": "diff"}, None),
    ]
    await here.ask("GET", f"{path}/versions/1/diff/9", 404)
    await here.ask("GET", f"{path}/versions/1/diff/-1", 400)


async def test_an_alias_names_a_version_until_it_is_moved(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    await here.ask("PUT", path, json={**HELPER, "description": "two"})
    assert (await here.ask("PUT", f"{path}/aliases/prod", json={"version": 2})).json() == {
        "alias": "prod",
        "version": 2,
    }
    assert (await here.ask("GET", path)).json()["aliases"] == {"latest": 2, "prod": 2}
    back = await here.ask("PUT", f"{path}/aliases/prod", json={"version": 1})
    assert back.headers["etag"] == '"2-4"'
    assert (await here.ask("GET", f"{path}/versions/prod")).json()["number"] == 1
    await here.ask("PUT", f"{path}/aliases/beta", json={"version": "latest"})
    aliases = (await here.ask("GET", f"{path}/aliases")).json()["items"]
    assert {one["alias"]: one["version"] for one in aliases} == {"latest": 2, "prod": 1, "beta": 2}
    await here.ask("DELETE", f"{path}/aliases/prod", 204)
    gone = await here.ask("GET", f"{path}/versions/prod", 404)
    assert "'prod'" in gone.json()["detail"]


@pytest.mark.parametrize(
    ("alias", "version", "status", "words"),
    [
        ("latest", 1, 400, "always means the latest version"),
        ("draft", 1, 400, "always means the draft"),
        ("Prod", 1, 400, "lower-case"),
        ("x" * 33, 1, 400, "32 at most"),
        ("prod", 2, 404, "no version 2"),
        ("prod", "prd", 404, "no version 'prd'"),
        ("prod", 0, 400, ""),
        ("prod", True, 400, ""),
        ("prod", "1\n", 400, ""),
    ],
)
async def test_an_alias_is_a_name_of_a_version_that_is_there(
    here: Deployment, alias: str, version: Any, status: int, words: str
) -> None:
    path = f"/agents/{(await here.make())['id']}"
    answer = await here.ask("PUT", f"{path}/aliases/{alias}", status, json={"version": version})
    assert words in answer.json()["detail"]


async def test_an_agent_has_twenty_aliases_at_most(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    for number in range(20):
        await here.ask("PUT", f"{path}/aliases/a{number}", json={"version": 1})
    refused = await here.ask("PUT", f"{path}/aliases/one_more", 400, json={"version": 1})
    assert "20" in refused.json()["detail"]
    await here.ask("PUT", f"{path}/aliases/a0", json={"version": 1})
    assert set((await here.ask("GET", path)).json()["aliases"]) == {f"a{number}" for number in range(20)} | {"latest"}


async def test_runs_and_sessions_stay_with_what_an_alias_meant_when_they_began(here: Deployment) -> None:
    agent = (await here.ask("POST", "/agents", 201, json=scripted("one"))).json()["id"]
    path = f"/agents/{agent}"
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": 1})
    session = (await here.ask("POST", "/sessions", 201, json={"agent_id": agent, "version": "prod"})).json()
    assert session["version"] == 1
    await here.ask("PUT", path, json=scripted("two"))
    first = await here.run(agent_id=agent, version="prod", input="hello")
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": "latest"})
    second = await here.run(agent_id=agent, version="prod", input="hello")
    third = await here.run(session_id=session["id"], input="hello")
    assert [(run["version"], run["output"]) for run in (first, second, third)] == [(1, "one"), (2, "two"), (1, "one")]
    await here.ask("POST", "/runs", 404, json={"agent_id": agent, "version": "prd", "input": "x"})
    await here.ask("POST", "/runs", 404, json={"agent_id": agent, "version": 9, "input": "x"})
    await here.ask("POST", "/sessions", 404, json={"agent_id": agent, "version": 9})
    refused = await here.ask("POST", "/runs", 400, json={"session_id": session["id"], "version": 2, "input": "x"})
    assert "pinned to version 1" in refused.json()["detail"]


async def test_a_run_that_waits_for_its_turn_stays_with_the_version_it_began_with(here: Deployment) -> None:
    agent = (await here.ask("POST", "/agents", 201, json=scripted("one"))).json()["id"]
    path = f"/agents/{agent}"
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": 1})
    asked = [{"agent_id": agent, "input": "hello"}, {"agent_id": agent, "version": "prod", "input": "hello"}]
    begun = [(await here.ask("POST", "/runs", 202, json=body)).json() for body in asked]
    assert [run["state"] for run in begun] == ["queued", "queued"]
    await here.ask("PUT", path, json=scripted("two"))
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": 2})
    await here.ask("DELETE", path, 204)
    await here.rig.drain()
    ended = [(await here.ask("GET", f"/runs/{run['id']}")).json() for run in begun]
    assert [(run["state"], run["version"], run["output"]) for run in ended] == [("succeeded", 1, "one")] * 2


async def test_a_key_gives_the_same_run_though_its_alias_moved(here: Deployment) -> None:
    agent = (await here.make())["id"]
    await here.ask("PUT", f"/agents/{agent}/aliases/prod", json={"version": 1})
    body, key = {"agent_id": agent, "version": "prod", "input": "hello"}, {"Idempotency-Key": "k"}
    first = (await here.ask("POST", "/runs", 202, json=body, headers=key)).json()
    await here.ask("DELETE", f"/agents/{agent}/aliases/prod", 204)
    again = (await here.ask("POST", "/runs", 202, json=body, headers=key)).json()
    assert again["id"] == first["id"]


async def test_a_draft_is_tried_by_its_author_alone(here: Deployment) -> None:
    agent = (await here.ask("POST", "/agents", 201, json=scripted("one"))).json()["id"]
    await here.ask("POST", "/runs", 404, json={"agent_id": agent, "version": "draft", "input": "x"})
    saved = await here.ask("PUT", f"/agents/{agent}?draft=true", json=scripted("tried"))
    session = (await here.ask("POST", "/sessions", 201, json={"agent_id": agent, "version": "draft"})).json()["id"]
    tried = await here.run(session_id=session, input="hello")
    assert (tried["version"], tried["output"]) == (0, "tried")
    seen = {"If-Match": saved.headers["etag"]}
    await here.ask("PUT", f"/agents/{agent}?draft=true", json=scripted("again"), headers=seen)
    assert (await here.run(session_id=session, version="draft", input="hello"))["output"] == "again"
    await here.ask("PUT", f"/agents/{agent}?draft=true", json={**scripted("bad"), "nam": 1}, headers={"If-Match": "*"})
    bad = await here.ask("POST", "/runs", 400, json={"agent_id": agent, "version": "draft", "input": "x"})
    assert [fault["path"] for fault in bad.json()["faults"]] == ["nam"]
    public = (await here.make(by="root", name="public", scope="system"))["id"]
    await here.ask("PUT", f"/agents/{public}?draft=true", by="root", json=scripted("secret"))
    await here.ask("POST", "/runs", 404, json={"agent_id": public, "version": "draft", "input": "x"})
    await here.ask("GET", f"/agents/{public}?draft=true", 403)
    await here.ask("GET", f"/agents/{public}/versions/1/diff/draft", 403)


async def test_a_clone_is_private_and_remembers_where_it_came_from(here: Deployment) -> None:
    source = await here.make(by="root", name="public", scope="system", permissions={"public": True}, description="one")
    await here.ask("PUT", f"/agents/{source['id']}", by="root", json={**HELPER, "name": "public", "scope": "system"})
    clone = (await here.ask("POST", f"/agents/{source['id']}/clone", 201, json={"version": 1})).json()
    original = (await here.ask("GET", f"/agents/{source['id']}/versions/1")).json()
    assert (clone["owner_uid"], clone["scope"], clone["head"], clone["name"]) == ("ada", "user", 1, "public")
    assert clone["provenance"] == {
        "kind": "clone",
        "agent_id": source["id"],
        "version": 1,
        "template": None,
        "digest": original["digest"],
    }
    assert clone["definition"] == {**HELPER, "name": "public", "description": "one"}
    names = [(await here.ask("POST", f"/agents/{clone['id']}/clone", 201)).json()["name"] for _ in range(3)]
    assert names == ["public_copy", "public_copy_2", "public_copy_3"]
    named = await here.ask("POST", f"/agents/{clone['id']}/clone", 201, json={"name": "own"})
    assert named.json()["definition"]["name"] == "own"
    await here.ask("POST", f"/agents/{clone['id']}/clone", 409, json={"name": "own"})
    await here.ask("POST", f"/agents/{clone['id']}/clone", 400, json={"name": "Not a name"})
    await here.ask("POST", f"/agents/{clone['id']}/clone", 404, by="bob")


async def test_a_deleted_agent_is_restored_with_all_it_had(here: Deployment) -> None:
    agent = (await here.make())["id"]
    path = f"/agents/{agent}"
    await here.ask("PUT", path, json={**HELPER, "description": "two"})
    await here.ask("PUT", f"{path}/aliases/prod", json={"version": 1})
    session = (await here.ask("POST", "/sessions", 201, json={"agent_id": agent})).json()["id"]
    await here.ask("DELETE", path, 204)
    await here.ask("GET", path, 404)
    await here.ask("POST", "/runs", 404, json={"agent_id": agent, "input": "x"})
    assert (await here.run(session_id=session, input="Is it hot? It is hot."))["state"] == "succeeded"
    (deleted,) = (await here.ask("GET", "/agents?deleted=true")).json()["items"]
    assert (deleted["id"], deleted["is_active"], deleted["deleted_at"] is None) == (agent, False, False)
    assert (await here.ask("GET", "/agents?deleted=true", by="bob")).json()["items"] == []
    await here.ask("POST", f"{path}/restore", 404, by="bob")
    back = (await here.ask("POST", f"{path}/restore")).json()
    assert (back["is_active"], back["deleted_at"], back["aliases"]) == (True, None, {"latest": 2, "prod": 1})
    assert await versions_of(here, path) == [2, 1]
    assert (await here.ask("POST", f"{path}/restore")).json() == back
    await here.ask("POST", "/agents", 409, json=HELPER)


async def test_an_agent_whose_name_was_taken_meanwhile_is_not_restored(here: Deployment) -> None:
    path = f"/agents/{(await here.make())['id']}"
    await here.ask("DELETE", path, 204)
    other = (await here.make())["id"]
    refused = await here.ask("POST", f"{path}/restore", 409)
    assert refused.json()["code"] == "already_exists"
    await here.ask("PUT", f"/agents/{other}", json={**HELPER, "name": "other"})
    assert (await here.ask("POST", f"{path}/restore")).json()["is_active"]


@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", "?draft=true"),
        ("PUT", "?draft=true"),
        ("DELETE", "?draft=true"),
        ("POST", "/versions"),
        ("GET", "/versions/1/diff/1"),
        ("GET", "/aliases"),
        ("PUT", "/aliases/prod"),
        ("DELETE", "/aliases/prod"),
        ("POST", "/clone"),
        ("POST", "/restore"),
    ],
)
async def test_what_is_private_is_not_there_for_others(here: Deployment, method: str, rest: str) -> None:
    path = f"/agents/{(await here.make())['id']}{rest}"
    body = {"version": 1} if "aliases" in rest else HELPER if "draft" in rest else {}
    sent: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": body}
    hidden = await here.ask(method, path, 404, by="bob", **sent)
    assert hidden.json()["code"] == "not_found"
    unknown = await here.ask(method, path, 401, by="eve", **sent)
    assert unknown.json()["code"] == "unauthenticated"
