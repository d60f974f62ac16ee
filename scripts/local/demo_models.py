"""Whether a model can be asked with what the environment has."""

from __future__ import annotations

import os

from google.auth import default  # pyright: ignore[reportUnknownVariableType] - the request's type is left out
from google.auth.exceptions import DefaultCredentialsError

from scripts.local.demo_job import DemoFailed

_KEYS = {"google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"), "anthropic": ("ANTHROPIC_API_KEY",)}
_ON_VERTEX = frozenset({"google-cloud", "anthropic-vertex"})


def check_model(model: str) -> None:
    """Say what is missing before anything starts.

    Raises:
        DemoFailed: A key, credentials or a project is.
    """
    provider = model.partition(":")[0]
    keys = _KEYS.get(provider, ())
    if keys and not any(os.environ.get(key) for key in keys):
        raise DemoFailed(f"{model} needs {' or '.join(keys)} in the environment")
    if provider in _ON_VERTEX:
        _check_vertex(model, provider)


def _check_vertex(model: str, provider: str) -> None:
    try:
        project = default()[1]
    except DefaultCredentialsError as error:
        raise DemoFailed(
            f"{model} needs Google's application default credentials: set GOOGLE_APPLICATION_CREDENTIALS, or run"
            f" gcloud auth application-default login ({error})"
        ) from error
    # Gemini's client takes the credentials' own project where none is named, Claude's does not.
    if not (os.environ.get("GOOGLE_CLOUD_PROJECT") or (project and provider == "google-cloud")):
        raise DemoFailed(f"{model} needs GOOGLE_CLOUD_PROJECT in the environment, the project that pays for it")
