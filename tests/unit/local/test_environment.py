import pytest
from watchfiles import Change

from scripts.local.emulators import EmulatorPorts, Emulators, NotADemoProject
from scripts.local.environment import PROJECT, Ports, StackSettings
from scripts.local.paths import LOCAL, ROOT
from scripts.local.staging import function_names
from scripts.local.supervisor import affected_functions
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.settings import load_settings


def test_the_fixed_ports_are_those_that_the_readme_names() -> None:
    ports = Ports.from_environment({})

    assert (ports.api, ports.emulators) == (8787, EmulatorPorts(auth=9099, firestore=8080, pubsub=8085, tasks=9499))


@pytest.mark.parametrize("setting", ["API", "AUTH", "FIRESTORE", "PUBSUB", "TASKS", "WORKER_FUNCTION"])
def test_each_port_can_be_chosen(setting: str) -> None:
    ports = Ports.from_environment({f"FIRELOOM_{setting}_PORT": "1234"})

    emulators = ports.emulators
    chosen = [
        ports.api,
        emulators.auth,
        emulators.firestore,
        emulators.pubsub,
        emulators.tasks,
        ports.functions["worker"],
    ]
    assert chosen.count(1234) == 1


def test_no_two_processes_share_a_port() -> None:
    ports = Ports.from_environment({})
    emulators = ports.emulators

    every = [
        ports.api,
        emulators.auth,
        emulators.firestore,
        emulators.pubsub,
        emulators.tasks,
        *ports.functions.values(),
    ]
    assert len(set(every)) == len(every)


def test_only_a_demo_project_is_emulated() -> None:
    with pytest.raises(NotADemoProject, match="fireloom-production"):
        Emulators("fireloom-production", EmulatorPorts(), LOCAL)


@pytest.mark.parametrize("providers", [False, True])
def test_credentials_of_models_reach_the_functions_only_when_asked(
    *, providers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
    monkeypatch.setenv("UNRELATED_SECRET", "secret")

    environment = StackSettings(Ports.from_environment({}), providers=providers).function_environment("worker")

    assert ("ANTHROPIC_API_KEY" in environment) == providers
    assert "UNRELATED_SECRET" not in environment


@pytest.mark.parametrize("of_the_caller", ["acme-production", None])
def test_the_callers_project_pays_for_models_and_is_never_ours(
    of_the_caller: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    if of_the_caller:
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", of_the_caller)

    environment = StackSettings(Ports.from_environment({}), providers=True).function_environment("worker")

    assert ProviderSettings.from_environ(environment).vertex_project == of_the_caller
    assert load_settings(environment).project == PROJECT


def test_without_models_of_the_caller_every_client_means_the_demo_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-production")

    environment = StackSettings(Ports.from_environment({})).function_environment("worker")

    assert (environment["GOOGLE_CLOUD_PROJECT"], load_settings(environment).project) == (PROJECT, PROJECT)


def test_a_function_accepts_only_tokens_made_for_it() -> None:
    settings = StackSettings(Ports.from_environment({}))

    audiences = {name: settings.function_environment(name)["FIRELOOM_OIDC_AUDIENCE"] for name in function_names()}

    assert audiences == settings.ports.addresses


@pytest.mark.parametrize(
    ("path", "affected"),
    [
        ("functions/runs/main.py", ("runs",)),
        ("shared/domain/runs.py", function_names()),
        ("functions/__init__.py", ()),
    ],
)
def test_a_change_restarts_the_functions_that_it_concerns(path: str, affected: tuple[str, ...]) -> None:
    assert affected_functions({(Change.modified, str(ROOT / path))}) == affected
