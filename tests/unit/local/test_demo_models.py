"""What the demo says of a model that cannot be asked, before anything starts."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from scripts.local.demo_job import DemoFailed
from scripts.local.demo_models import check_model
from tests.support.google_keys import new_key

VARIABLES = (
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "GOOGLE_API_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_CLOUD_PROJECT",
)
GEMINI, CLAUDE = "google-cloud:gemini-2.5-flash", "anthropic-vertex:claude-sonnet-4-6"


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path / "gcloud"))
    monkeypatch.setenv("NO_GCE_CHECK", "true")  # a machine of Google's has credentials by itself


def have_credentials(monkeypatch: pytest.MonkeyPatch, folder: Path, *, project: str | None) -> None:
    """Have a person's credentials, which name no project, or a service account's, which does."""
    person = {"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}
    pem = new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode() if project else ""
    account = {
        "type": "service_account",
        "project_id": project,
        "client_email": "models@example.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": pem,
    }
    file = folder / "credentials.json"
    file.write_text(json.dumps(account if project else {**person, "quota_project_id": "acme"}))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        ("google:gemini-2.5-flash", "GOOGLE_API_KEY or GEMINI_API_KEY"),
        ("anthropic:claude-sonnet-4-6", "ANTHROPIC_API_KEY"),
        (GEMINI, "GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login"),
        (CLAUDE, "GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth application-default login"),
    ],
)
def test_what_a_model_lacks_is_said(model: str, missing: str) -> None:
    with pytest.raises(DemoFailed, match=f"{model} needs .*{missing}"):
        check_model(model)


@pytest.mark.parametrize("model", [GEMINI, CLAUDE])
def test_a_model_on_vertex_needs_a_project_that_pays(
    model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    have_credentials(monkeypatch, tmp_path, project=None)

    with pytest.raises(DemoFailed, match=f"{model} needs GOOGLE_CLOUD_PROJECT"):
        check_model(model)


def test_only_gemini_takes_the_project_of_the_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    have_credentials(monkeypatch, tmp_path, project="acme")

    check_model(GEMINI)
    with pytest.raises(DemoFailed, match="GOOGLE_CLOUD_PROJECT"):
        check_model(CLAUDE)


@pytest.mark.parametrize("model", [GEMINI, CLAUDE, "google:gemini-2.5-flash", "local:extractive"])
def test_a_model_that_lacks_nothing_may_be_asked(model: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    have_credentials(monkeypatch, tmp_path, project=None)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme")
    monkeypatch.setenv("GEMINI_API_KEY", "key")

    check_model(model)
