"""The commands of a day's work, beside whatever else runs on this machine."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from scripts.local.environment import Ports, function_setting
from scripts.local.paths import ROOT
from scripts.local.seed import PEOPLE, Person
from scripts.local.staging import function_names


def chosen_ports(ports: Ports) -> dict[str, str]:
    emulators = ports.emulators
    chosen = {
        "FIRELOOM_API_PORT": ports.api,
        "FIRELOOM_AUTH_PORT": emulators.auth,
        "FIRELOOM_FIRESTORE_PORT": emulators.firestore,
        "FIRELOOM_PUBSUB_PORT": emulators.pubsub,
        "FIRELOOM_TASKS_PORT": emulators.tasks,
        **{function_setting(name): port for name, port in ports.functions.items()},
    }
    return {name: str(port) for name, port in chosen.items()}


def run(command: str, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts" / command, *arguments], env=env, capture_output=True, text=True, check=False
    )


def processes_of(folder: Path) -> list[psutil.Process]:
    """Those that were started with this folder for their state, whoever their parent is."""
    found: list[psutil.Process] = []
    for process in psutil.process_iter(["environ"]):
        environ: dict[str, str] = process.info["environ"] or {}
        if environ.get("FIRELOOM_LOCAL_FOLDER") == str(folder):
            found.append(process)
    return found


def sign_in(client: httpx.Client, person: Person) -> dict[str, str]:
    answer = client.post("/auth/login", json={"email": person.email, "password": person.password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['id_token']}"}


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    ports = chosen_ports(Ports.free())
    env = {**os.environ, **ports, "FIRELOOM_LOCAL_FOLDER": str(tmp_path), "NO_COLOR": "1"}
    yield env
    run("down", env)


def test_up_serves_two_people_and_three_agents_and_down_leaves_nothing(env: dict[str, str], tmp_path: Path) -> None:
    up = run("up", env)
    assert up.returncode == 0, up.stderr
    api = f"http://127.0.0.1:{env['FIRELOOM_API_PORT']}"

    with httpx.Client(base_url=api, timeout=60, trust_env=False) as client:
        owner, administrator = (sign_in(client, person) for person in PEOPLE)
        roles = [client.get("/auth/me", headers=headers).json()["role"] for headers in (owner, administrator)]
        agents = client.get("/agents?scope=user", headers=owner)
        page = client.options(
            "/agents", headers={"Origin": "http://localhost:5173", "Access-Control-Request-Method": "GET"}
        )
    again = run("up", env)
    running = processes_of(tmp_path)
    down = run("down", env)

    assert api in up.stdout
    assert all(person.email in up.stdout for person in PEOPLE)
    assert roles == ["user", "admin"]
    assert len(agents.json()["items"]) == 3
    assert page.headers["access-control-allow-origin"] == "http://localhost:5173"
    assert (again.returncode, "runs already" in again.stderr) == (1, True)
    assert (down.returncode, down.stdout) == (0, "down: stopped\n")
    assert len(running) > len(function_names())
    assert processes_of(tmp_path) == []
    assert run("down", env).stdout == "down: nothing runs\n"


def test_a_taken_port_is_named_and_nothing_is_left(env: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        up = run("up", {**env, "FIRELOOM_TASKS_PORT": str(port)})

    assert up.returncode == 1
    assert re.search(rf"port {port} is taken .* FIRELOOM_TASKS_PORT", up.stderr)
    assert processes_of(tmp_path) == []


@pytest.mark.parametrize("command", ["up", "down", "test", "bootstrap", "lock", "stage"])
def test_a_command_explains_itself(command: str, env: dict[str, str]) -> None:
    told = run(command, env, "--help")

    assert told.returncode == 0
    assert len(told.stdout) > 20
