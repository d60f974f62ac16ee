"""Connects people's secrets: Secret Manager, or encrypted files beside the emulators."""

from __future__ import annotations

from pathlib import Path

from shared.adapters.secret_files.store import FileSecretStore
from shared.adapters.secret_manager.store import SecretManagerStore
from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.ports.documents import Documents
from shared.ports.secret_store import SecretStore
from shared.settings import Settings
from shared.usecases.secrets.vault import Vault


def connect_vault(settings: Settings, documents: Documents) -> Vault:
    """What the use cases of secrets work with."""
    return Vault(documents, connect_secrets(settings), SystemClock(), SystemIds())


def connect_secrets(settings: Settings) -> SecretStore:
    """The store of values.

    Raises:
        ValueError: there is an emulator, and not both a folder and a key.
    """
    if settings.firestore_emulator_host is None:
        return SecretManagerStore(settings.project, settings.region)
    if settings.secrets_folder is None or settings.secrets_key is None:
        raise ValueError("set FIRELOOM_SECRETS_FOLDER and FIRELOOM_SECRETS_KEY: Secret Manager has no emulator")
    return FileSecretStore(Path(settings.secrets_folder), settings.secrets_key)
