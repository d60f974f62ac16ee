"""The commands of a day's work, beside whatever else runs on this machine."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from scripts.local.paths import ROOT
from scripts.local.seed import PEOPLE, Person
from scripts.local.staging import function_names
from tests.support.commands import EMULATOR_PORTS, command_environment, processes_of, run_command

_RELOAD_SECONDS = 10.0
_TOUCHES = 6


@dataclass
class Day:
    """The stack that `up` started in the background, and what it said."""

    env: dict[str, str]
    folder: Path
    up: subprocess.CompletedProcess[str]

    @property
    def api(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.env['FIRELOOM_API_PORT']}"

    @property
    def is_up(self) -> bool:
        """Whether it started, and has not been taken down."""
        return (self.folder / "up.json").exists()

    def client(self) -> httpx.Client:
        """A client of its API, not signed in."""
        return httpx.Client(base_url=self.api, timeout=60, trust_env=False)

    def log(self) -> str:
        """What its supervisor has told."""
        return (self.folder / "logs" / "up.log").read_text()


@pytest.fixture(scope="module")
def started() -> Iterator[list[Day]]:
    """Stacks that the tests of this module share; whatever is up in the end is taken down."""
    days: list[Day] = []
    yield days
    for day in days:
        run_command("down", day.env)


@pytest.fixture
def day(started: list[Day], tmp_path_factory: pytest.TempPathFactory) -> Day:
    """A stack that is up: the one of the test before, unless that took it down."""
    if not started or (started[-1].up.returncode == 0 and not started[-1].is_up):
        folder = tmp_path_factory.mktemp("day")
        env = command_environment(folder)
        started.append(Day(env, folder, run_command("up", env)))
    assert started[-1].up.returncode == 0, started[-1].up.stderr
    return started[-1]


def sign_in(client: httpx.Client, person: Person) -> dict[str, str]:
    answer = client.post("/auth/login", json={"email": person.email, "password": person.password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['id_token']}"}


def test_up_serves_two_people_and_three_agents(day: Day) -> None:
    with day.client() as client:
        owner, administrator = (sign_in(client, person) for person in PEOPLE)
        roles = [client.get("/auth/me", headers=headers).json()["role"] for headers in (owner, administrator)]
        agents = client.get("/agents?scope=user", headers=owner)
        page = client.options(
            "/agents", headers={"Origin": "http://localhost:5173", "Access-Control-Request-Method": "GET"}
        )

    assert roles == ["user", "admin"]
    assert len(agents.json()["items"]) == 3
    assert page.headers["access-control-allow-origin"] == "http://localhost:5173"


def test_up_prints_the_addresses_and_how_people_sign_in(day: Day) -> None:
    told = day.up.stdout

    assert day.api in told
    for name in EMULATOR_PORTS:
        assert f"127.0.0.1:{day.env[name]}\n" in told, name
    for person in PEOPLE:
        assert f"{person.email}  {person.password}\n" in told


def test_each_function_has_a_log_of_its_own(day: Day) -> None:
    logs = {path.name for path in (day.folder / "logs").iterdir()}

    assert {f"{name}.log" for name in function_names()} <= logs


def test_the_example_of_the_readme_shows_the_agents(day: Day) -> None:
    (example,) = re.findall(r"```sh\n(api=.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    with day.client() as client:
        agents = client.get("/agents", headers=sign_in(client, PEOPLE[0])).json()

    told = subprocess.run(
        ["sh", "-ec", example.replace("http://127.0.0.1:8787", day.api)], capture_output=True, text=True, check=False
    )

    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout) == agents
    assert len(agents["items"]) >= 3


def test_a_change_of_a_functions_code_reloads_it(day: Day) -> None:
    before = day.log().count("reloaded runs")

    # Touched again where nothing happens: the watch may begin after `up` has returned.
    for _ in range(_TOUCHES):
        os.utime(ROOT / "functions" / "runs" / "main.py")
        if wait_until_told(day, "reloaded runs", before):
            break
    else:
        raise AssertionError(day.log())

    with day.client() as client:
        while (health := client.get("/health")).status_code != 200:
            assert health.json()["functions"].keys() == set(function_names())
    assert health.json()["functions"]["runs"] == "ok"


def wait_until_told(day: Day, line: str, before: int) -> bool:
    """Whether one more such line comes into the supervisor's log, within some seconds."""
    deadline = time.monotonic() + _RELOAD_SECONDS
    while (told := day.log().count(line)) == before and time.monotonic() < deadline:
        time.sleep(0.05)
    return told > before


def test_up_is_refused_while_it_runs_already(day: Day) -> None:
    again = run_command("up", day.env)

    assert (again.returncode, "runs already" in again.stderr) == (1, True)


def test_down_stops_what_up_started_and_nothing_else(day: Day) -> None:
    # Somebody else's, although it looks like a part of the stack.
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read()", "-m", "scripts.local.gateway"]
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, cwd=ROOT) as bystander:
        running = processes_of(day.folder)
        down = run_command("down", day.env)
        left = processes_of(day.folder)
        is_bystander_alive = bystander.poll() is None
        bystander.communicate()

    assert (down.returncode, down.stdout) == (0, "down: stopped\n")
    assert len(running) > len(function_names())
    assert (left, is_bystander_alive, bystander.returncode) == ([], True, 0)
    assert run_command("down", day.env).stdout == "down: nothing runs\n"


def test_down_leaves_a_process_alone_that_was_given_an_id_of_the_stacks(tmp_path: Path) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, start_new_session=True) as later:
        created = psutil.Process(later.pid).create_time()
        state = {"supervisor": [later.pid, created - 1], "programs": [[later.pid, created - 2]]}
        (tmp_path / "up.json").write_text(json.dumps(state))

        down = run_command("down", command_environment(tmp_path))
        later.communicate()

    assert (down.returncode, down.stdout) == (0, "down: stopped\n")
    assert later.returncode == 0, "it ended by itself, when its input did"


def test_a_taken_port_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        up = run_command("up", {**command_environment(tmp_path), "FIRELOOM_TASKS_PORT": str(port)})

    assert up.returncode == 1
    assert re.search(rf"port {port} is taken .* FIRELOOM_TASKS_PORT", up.stderr)
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("command", ["up", "down", "test", "bootstrap", "lock", "stage"])
def test_a_command_explains_itself(command: str, tmp_path: Path) -> None:
    told = run_command(command, command_environment(tmp_path), "--help")

    assert told.returncode == 0
    assert len(told.stdout) > 20
