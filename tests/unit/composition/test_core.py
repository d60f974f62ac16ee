"""Which adapters a deployable gets: Google's in production, the emulators' where they are named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.cloud_tasks.emulator import EmulatorTaskQueue
from shared.adapters.cloud_tasks.google import CloudTasksQueue
from shared.adapters.google_oidc.task_tokens import GoogleTaskTokens, LocalTaskTokens
from shared.adapters.secret_files.store import FileSecretStore, make_key
from shared.adapters.secret_manager.store import SecretManagerStore
from shared.composition.core import connect_callers, connect_queue, queue_account
from shared.composition.secrets import connect_secrets
from shared.settings import Settings

ROOT = Path(__file__).parents[3]
KEY = "0123456789abcdef0123456789abcdef"


def settings(**fields: Any) -> Settings:
    return Settings(project="demo-fireloom", worker_url="http://worker", **fields)


def test_production_uses_google_and_nothing_local() -> None:
    assert isinstance(connect_queue(settings()), CloudTasksQueue)
    assert isinstance(connect_callers(settings()), GoogleTaskTokens)


def test_beside_emulators_the_local_key_signs_and_verifies() -> None:
    local = settings(tasks_emulator_host="127.0.0.1:9499", local_oidc_key=KEY)
    assert isinstance(connect_queue(local), EmulatorTaskQueue)
    assert isinstance(connect_callers(local), LocalTaskTokens)


def test_a_queue_whose_tasks_nobody_signs_is_refused() -> None:
    with pytest.raises(ValueError, match="FIRELOOM_LOCAL_OIDC_KEY"):
        connect_queue(settings(tasks_emulator_host="127.0.0.1:9499"))


@pytest.mark.parametrize(
    ("accounts", "account"),
    [((), "tasks@demo-fireloom.iam.gserviceaccount.com"), (("queue@x", "schedule@x"), "queue@x")],
)
def test_the_queue_calls_in_the_name_of_the_first_account(accounts: tuple[str, ...], account: str) -> None:
    assert queue_account(settings(oidc_service_accounts=accounts)) == account


def test_secrets_are_kept_by_secret_manager_and_in_files_only_beside_the_emulator(tmp_path: Path) -> None:
    files = {"secrets_folder": str(tmp_path), "secrets_key": make_key()}
    assert isinstance(connect_secrets(settings(**files)), SecretManagerStore)
    assert isinstance(connect_secrets(settings(firestore_emulator_host="x:1", **files)), FileSecretStore)
    with pytest.raises(ValueError, match="FIRELOOM_SECRETS_FOLDER"):
        connect_secrets(settings(firestore_emulator_host="x:1"))


def test_connecting_imports_no_vendor() -> None:
    program = (
        "import sys; from shared.settings import Settings; from shared.composition import core, secrets;"
        "secrets.connect_secrets(Settings('demo-x'));"
        "ports = core.connect_core(Settings('demo-x')); core.connect_people(Settings('demo-x'), ports.documents);"
        "print(*sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert set(printed.stdout.split()).isdisjoint(
        {
            "google.cloud.firestore_v1",
            "google.cloud.tasks_v2",
            "google.cloud.secretmanager_v1",
            "cryptography",
            "google.auth",
            "grpc",
            "firebase_admin",
            "httpx",
            "jwt",
            "pydantic_ai",
        }
    )
