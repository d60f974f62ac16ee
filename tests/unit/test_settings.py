"""What the environment means."""

from __future__ import annotations

import pytest

from shared.settings import load_settings

HERE = {"FIRELOOM_PROJECT": "demo-x"}
LOCAL = {"FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"}
VERTEX = {"google-cloud", "anthropic-vertex"}


def test_little_needs_to_be_set() -> None:
    settings = load_settings({"GOOGLE_CLOUD_PROJECT": "demo-x"})
    assert (settings.project, settings.region, settings.queue) == ("demo-x", "us-central1", "nodes")
    assert settings.hook_base_url == "https://us-central1-demo-x.cloudfunctions.net/auth"
    assert (settings.lease_seconds, settings.max_body_bytes) == (30, 1_048_576)
    assert (settings.admin_emails, settings.cors_origin_regex, settings.auth_emulator_host) == (frozenset(), None, None)


def test_a_deployment_says_how_much_a_run_may_come_to() -> None:
    assert load_settings(HERE).most_node_runs == 100_000
    assert load_settings({**HERE, "FIRELOOM_NODE_RUNS": "2000"}).most_node_runs == 2000
    with pytest.raises(ValueError, match="FIRELOOM_NODE_RUNS"):
        load_settings({**HERE, "FIRELOOM_NODE_RUNS": "many"})


def test_lists_are_split_and_addresses_lowered() -> None:
    settings = load_settings(
        {**HERE, "FIRELOOM_ADMIN_EMAILS": " Ada@X.org ,, bob@x.org", "FIRELOOM_OIDC_SERVICE_ACCOUNTS": "a,b"}
    )
    assert settings.admin_emails == {"ada@x.org", "bob@x.org"}
    assert settings.oidc_service_accounts == ("a", "b")


@pytest.mark.parametrize(
    "variable",
    ["FIRESTORE_EMULATOR_HOST", "FIREBASE_AUTH_EMULATOR_HOST", "CLOUD_TASKS_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"],
)
def test_the_local_key_counts_only_beside_an_emulator(variable: str) -> None:
    key = {**HERE, "FIRELOOM_LOCAL_OIDC_KEY": "k", "FIRELOOM_SECRETS_FOLDER": "f", "FIRELOOM_SECRETS_KEY": "s"}
    assert load_settings(key).local_oidc_key is None
    assert load_settings(key).secrets_folder is load_settings(key).secrets_key is None
    assert load_settings({**key, variable: ""}).local_oidc_key is None
    beside = load_settings({**key, variable: "127.0.0.1:1"})
    assert (beside.local_oidc_key, beside.secrets_folder, beside.secrets_key) == ("k", "f", "s")


def test_sites_of_this_machine_can_be_named_only_beside_an_emulator() -> None:
    sites = {**HERE, "FIRELOOM_EGRESS_LOOPBACK": "127.0.0.1:9000, LocalHost:80,[::1]:81"}
    assert load_settings(sites).egress_loopback == frozenset()
    beside = load_settings({**sites, "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1"})
    assert beside.egress_loopback == {("127.0.0.1", 9000), ("localhost", 80), ("::1", 81)}
    with pytest.raises(ValueError, match="FIRELOOM_EGRESS_LOOPBACK"):
        load_settings({**HERE, "FIRESTORE_EMULATOR_HOST": "x:1", "FIRELOOM_EGRESS_LOOPBACK": "127.0.0.1"})


@pytest.mark.parametrize(
    ("environ", "models", "default", "providers"),
    [
        ({}, ("*",), "google-cloud:gemini-3.8-flash", {"google-cloud", "anthropic-vertex"}),
        (LOCAL, ("*",), "local:extractive", set[str]()),
        ({**LOCAL, "GEMINI_API_KEY": "k"}, ("*",), "local:extractive", {"google"}),
        ({**LOCAL, "GOOGLE_APPLICATION_CREDENTIALS": "f"}, ("*",), "local:extractive", VERTEX),
        (
            {"FIRELOOM_MODELS": "local:*, anthropic:*"},
            ("local:*", "anthropic:*"),
            "google-cloud:gemini-3.8-flash",
            VERTEX,
        ),
        (
            {"ANTHROPIC_API_KEY": "k", "FIRELOOM_PROVIDERS": "google"},
            ("*",),
            "google-cloud:gemini-3.8-flash",
            {"google"},
        ),
        ({**LOCAL, "FIRELOOM_DEFAULT_MODEL": "google:gemini-4-argon"}, ("*",), "google:gemini-4-argon", set[str]()),
    ],
)
def test_a_deployment_chooses_its_models(
    environ: dict[str, str], models: tuple[str, ...], default: str, providers: set[str]
) -> None:
    settings = load_settings({**HERE, **environ})
    assert (settings.models, settings.default_model) == (models, default)
    assert settings.providers == providers | {"local"}


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({}, "FIRELOOM_PROJECT"),
        ({**HERE, "FIRELOOM_LEASE_SECONDS": "soon"}, "FIRELOOM_LEASE_SECONDS"),
        ({**HERE, "FIRELOOM_LEASE_SECONDS": "0"}, "FIRELOOM_LEASE_SECONDS"),
        ({**HERE, "FIRELOOM_MAX_BODY_BYTES": "-1"}, "FIRELOOM_MAX_BODY_BYTES"),
        ({**HERE, "FIRELOOM_DEFAULT_MODEL": "gemini-3.8-flash"}, "FIRELOOM_DEFAULT_MODEL"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        load_settings(environ)


def test_vectors_are_made_by_google_and_beside_emulators_by_words() -> None:
    assert load_settings(HERE).embedder == "google-cloud:gemini-embedding-001"
    assert load_settings({**HERE, **LOCAL}).embedder == "local:hashed-words"
    assert load_settings({**HERE, **LOCAL, "FIRELOOM_EMBEDDER": "google:x"}).embedder == "google:x"
    with pytest.raises(ValueError, match="FIRELOOM_EMBEDDER"):
        load_settings({**HERE, "FIRELOOM_EMBEDDER": "words"})
