"""What a function may load at its start. A cold start is mostly imports: whatever can wait for its first use does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.local.staging import function_names

ROOT = Path(__file__).parents[3]
PRODUCTION = {
    "PATH": os.environ["PATH"],
    "FIRELOOM_PROJECT": "demo-fireloom",
    "FIRELOOM_API_KEY": "key",
    "FIRELOOM_WORKER_URL": "https://worker.example",
    "FIRELOOM_EVENTS_URL": "https://events.example",
    "FIRELOOM_OIDC_AUDIENCE": "https://audience.example",
    "FIRELOOM_HOOK_BASE_URL": "https://auth.example",
}
HTTP = frozenset({"httpcore2", "httpx2"})
MODELS = HTTP | {"genai_prices", "griffe", "httpx", "pydantic_ai", "rich"}
"""What `import pydantic_ai` brings by itself."""
NEEDED = {"chat": MODELS, "worker": MODELS, "events": HTTP}
HEAVY = MODELS | {
    "PIL",
    "anthropic",
    "cel",
    "cronsim",
    "cryptography",
    "firebase_admin",
    "google.api_core",
    "google.auth",
    "google.cloud.firestore_v1",
    "google.cloud.pubsub_v1",
    "google.cloud.secretmanager_v1",
    "google.cloud.tasks_v2",
    "google.genai",
    "grpc",
    "jsonschema",
    "jwt",
    "logfire",
    "lxml",
    "mammoth",
    "mcp",
    "mcp_types",
    "numpy",
    "openpyxl",
    "opentelemetry.sdk",
    "pypdf",
    "re2",
    "requests",
    "trafilatura",
    "websockets",
    "yaml",
}


@pytest.mark.parametrize("name", function_names())
def test_a_function_starts_without_what_can_wait(name: str) -> None:
    program = f"import sys, functions.{name}.main; print(*sys.modules)"

    printed = subprocess.run(
        [sys.executable, "-c", program], env=PRODUCTION, cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert printed.returncode == 0, printed.stderr
    loaded = set(printed.stdout.split())
    assert f"functions.{name}.main" in loaded
    assert loaded & (HEAVY - NEEDED.get(name, frozenset())) == set()


def test_what_receives_tasks_brings_nothing_that_executes_them() -> None:
    code = "import sys, shared.edge.tasks; print([one for one in sys.modules if one.startswith('shared.usecases.')])"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "['shared.usecases.acknowledgement']"
