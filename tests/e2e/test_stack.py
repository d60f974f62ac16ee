"""The functions as they are deployed, and the address that they share."""

import subprocess
from pathlib import Path

import httpx
import pytest

from scripts.local.environment import QUEUE, REGION
from scripts.local.stack import Stack
from scripts.local.staging import environment, function_names, stage
from tests.support.stack import killed
from tests.unit.acl.table import ROWS

FUNCTIONS = function_names()
MAY_LOAD_MODELS = {"chat", "worker"}

# As functions-framework finds the source: its folder comes last on the path.
LOAD = """
import importlib.util, sys
sys.path.append(sys.argv[1])
import main, shared
print(shared.__file__, "pydantic_ai" in sys.modules, importlib.util.find_spec("pytest") is not None)
"""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_staged_function_loads_its_own_code_with_only_its_own_requirements(
    name: str, stack: Stack, tmp_path: Path
) -> None:
    staged = stage(name, tmp_path)
    python = environment(name) / "bin" / "python"
    settings = stack.settings.function_environment(name)

    loaded = subprocess.run(
        [python, "-I", "-c", LOAD, staged], env=settings, capture_output=True, text=True, check=False
    )

    assert loaded.returncode == 0, loaded.stderr
    shared, models, development = loaded.stdout.split()
    assert Path(shared).is_relative_to(staged)
    assert models == "False" or name in MAY_LOAD_MODELS
    assert development == "False"


@pytest.mark.parametrize("name", FUNCTIONS)
async def test_each_function_answers_for_its_health(name: str, stack: Stack, api: httpx.AsyncClient) -> None:
    answer = await api.get(f"{stack.settings.ports.addresses[name]}/health")

    assert (answer.status_code, answer.json()["status"]) == (200, "ok")


async def test_the_merged_document_has_every_public_route_and_no_other(api: httpx.AsyncClient) -> None:
    document = (await api.get("/openapi.json")).json()

    routes = {f"{method.upper()} {path}" for path, item in document["paths"].items() for method in item}
    assert routes == {row.route for row in ROWS}
    assert not {path for path in document["paths"] if path.startswith(("/tasks", "/hooks"))}


async def test_the_page_of_the_api_is_served(api: httpx.AsyncClient) -> None:
    page = await api.get("/docs")
    style = await api.get("/docs/assets/swagger-ui.css")

    assert (page.status_code, style.status_code) == (200, 200)
    assert "SwaggerUIBundle" in page.text


@pytest.mark.parametrize("path", ["/tasks/node", "/tasks/sweep", "/hooks/before_create"])
async def test_what_the_queue_and_the_scheduler_call_is_not_served_outside(path: str, api: httpx.AsyncClient) -> None:
    assert (await api.post(path, json={})).status_code == 404


async def test_a_function_that_was_killed_serves_again_after_a_restart(stack: Stack, api: httpx.AsyncClient) -> None:
    async with killed(stack, "agents"):
        down = await api.get("/health")

    assert (down.status_code, down.json()["functions"]["agents"]) == (503, "down")
    assert (await api.get("/health")).json()["functions"]["agents"] == "ok"


async def test_the_queue_exists_with_the_limits_of_production(stack: Stack, api: httpx.AsyncClient) -> None:
    host = stack.settings.ports.emulators.environment["CLOUD_TASKS_EMULATOR_HOST"]

    queues = (await api.get(f"http://{host}/queueStats")).json()

    queue = queues[f"queue:{stack.settings.project}-{REGION}-{QUEUE}"]
    assert (queue["maxRate"], queue["maxConcurrent"]) == (500, 100)
