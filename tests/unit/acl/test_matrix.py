"""Every route, asked by everybody: nobody gets more than the matrix says, and no route is missing from it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from scripts.local.paths import ROOT
from tests.support.acl.roles import Role, Row
from tests.support.acl.world import World
from tests.unit.acl.table import ROWS

PRIVATE = [row for row in ROWS if row.answers[Role.STRANGER] == 404 and "{" in row.route and not row.at]

ROUTES = """
import importlib, json, logging
from shared.edge.routes import ROUTES, find_deployable
found = []
for name in sorted({row.deployable for row in ROUTES}):
    for path, item in importlib.import_module(f"functions.{name}.main").app.openapi()["paths"].items():
        if find_deployable(path) == name:
            found += [f"{method.upper()} {path}" for method in item]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
async def world() -> World:
    return await World.make()


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
async def test_everybody_is_answered_as_the_matrix_says(world: World, row: Row) -> None:
    answers = {role: await world.ask(role, row) for role in Role}
    assert {role: answer.status_code for role, answer in answers.items()} == dict(row.answers)
    for answer in answers.values():
        assert answer.status_code < 400 or answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("row", PRIVATE, ids=[row.name for row in PRIVATE])
async def test_what_is_private_looks_as_if_it_were_not_there(world: World, row: Row) -> None:
    missing = dict.fromkeys(re.findall(r"{(\w+_id)}", row.route), "0" * 20)
    private = await world.ask(Role.STRANGER, row)
    absent = await world.ask(Role.STRANGER, replace(row, at=missing))
    assert told(private) == told(absent)


def test_the_matrix_has_every_public_route_and_no_other() -> None:
    environ = {"PATH": os.environ["PATH"], "FIRELOOM_PROJECT": "demo-acl", "PYTHONPATH": str(ROOT)}
    listed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ROUTES], env=environ, capture_output=True, text=True, check=True
    )
    assert {row.route for row in ROWS} == set(json.loads(listed.stdout.splitlines()[-1]))


def test_no_two_rows_are_called_the_same() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_row_says_something_of_everybody_and_lets_in_nobody_who_is_shut_out(row: Row) -> None:
    assert set(row.answers) == set(Role)
    assert row.answers[Role.ANONYMOUS] == row.answers[Role.DEACTIVATED]
    if row.answers[Role.ANONYMOUS] != 401:
        assert set(row.answers.values()) == {row.answers[Role.ANONYMOUS]}
    assert row.answers[Role.MODERATOR] == row.answers[Role.STRANGER]
    if row.name != "DELETE /agents/{agent_id}/grants/{grantee} one's own":  # also what has expired can be given up
        assert row.answers[Role.FORMER] == row.answers[Role.STRANGER]


def told(answer: Any) -> tuple[int, str, str]:
    problem = answer.json()
    return answer.status_code, problem["code"], re.sub(r"[A-Za-z0-9]{20,}", "ID", problem["detail"])
