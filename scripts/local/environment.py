"""What each process of the local stack is told by its environment."""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from scripts.local.emulators import EmulatorPorts
from scripts.local.paths import LOCAL, ROOT
from scripts.local.processes import HOST, free_port
from scripts.local.staging import function_names
from shared.adapters.secret_files.store import make_key

PROJECT = "demo-fireloom"
REGION = "us-central1"
QUEUE = "nodes"
DELIVERY_QUEUE = "deliveries"
FACT_TOPIC = "facts"
CONCURRENT_DISPATCHES = 100
ADMINISTRATOR = "grace@example.com"
"""Whoever proves this address becomes an administrator."""
_FIRST_FUNCTION_PORT = 8788
_LOCALHOST = r"https?://(localhost|127\.0\.0\.1)(:\d+)?"

# What a function may inherit: how to run at all, and the model providers' own variables.
_INHERITED = ("FIRELOOM_LOCAL_FOLDER", "HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TMPDIR", "TZ")
# Beside them: the search engine of a developer's choice, and the sites of the own machine that tools may reach.
_PROVIDERS = (
    "ANTHROPIC_",
    "CLOUDSDK_CONFIG",
    "CLOUD_ML_REGION",
    "FIRELOOM_EGRESS_",
    "FIRELOOM_SEARCH_",
    "GEMINI_",
    "GOOGLE_",
)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where every process of the stack listens on the loopback address."""

    api: int
    emulators: EmulatorPorts
    functions: Mapping[str, int]

    @classmethod
    def free(cls) -> Self:
        """Ports that are free now, so that stacks run beside each other."""
        return cls(free_port(), EmulatorPorts.free(), {n: free_port() for n in function_names()})

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """The fixed ports, each overridden by its ``FIRELOOM_…_PORT``."""
        functions = {
            name: int(environ.get(function_setting(name), _FIRST_FUNCTION_PORT + index))
            for index, name in enumerate(function_names())
        }
        api = int(environ.get("FIRELOOM_API_PORT", "8787"))
        return cls(api, EmulatorPorts.from_environment(environ), functions)

    @property
    def addresses(self) -> dict[str, str]:
        """The base address of each function, by its name."""
        return {name: f"http://{HOST}:{port}" for name, port in self.functions.items()}


@dataclass(frozen=True, slots=True)
class StackSettings:
    """How a stack is to run.

    Attributes:
        ports: Where its processes listen.
        logs: The folder of its logs.
        staged: Whether functions run from staged sources in environments of their own, as
            deployed, or else from the working tree in the development environment.
        project: A project named ``demo-…``.
        extra: More variables for the functions, over all others.
        providers: Whether functions see the caller's model credentials, and with them the project
            that pays for the models; the functions' own is FIRELOOM_PROJECT.
        concurrent_dispatches: How many tasks of each queue are at work at once, at most.
    """

    ports: Ports
    logs: Path = LOCAL / "logs"
    staged: bool = False
    project: str = PROJECT
    extra: Mapping[str, str] = field(default_factory=dict[str, str])
    providers: bool = False
    concurrent_dispatches: int = CONCURRENT_DISPATCHES
    oidc_key: str = field(default_factory=lambda: secrets.token_hex(32))
    secrets_key: str = field(default_factory=make_key)

    @property
    def secrets_folder(self) -> Path:
        """Where people's secrets are kept, sealed with a key of this stack alone; it begins empty."""
        return self.logs.with_name(f"{self.logs.name}-secrets")

    @property
    def api(self) -> str:
        """The address of the gateway."""
        return f"http://{HOST}:{self.ports.api}"

    def gateway_environment(self) -> dict[str, str]:
        """The whole environment of the gateway's process."""
        return {**_inherited(providers=False), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    def function_environment(self, name: str) -> dict[str, str]:
        """The whole environment of a function's process."""
        other = push_caller if name == "events" else schedule_caller
        callers = (task_caller(self.project), other(self.project))
        return {
            **_inherited(providers=self.providers),
            **self.ports.emulators.environment,
            **({} if self.staged else {"PYTHONPATH": str(ROOT)}),
            # The caller's, or none, goes with the caller's credentials: a demo project answers no model's call.
            **({} if self.providers else {"GOOGLE_CLOUD_PROJECT": self.project}),
            "PYTHONUNBUFFERED": "1",
            "FIRELOOM_PROJECT": self.project,
            "FIRELOOM_REGION": REGION,
            "FIRELOOM_QUEUE": QUEUE,
            "FIRELOOM_WORKER_URL": self.ports.addresses["worker"],
            "FIRELOOM_DELIVERY_QUEUE": DELIVERY_QUEUE,
            "FIRELOOM_EVENTS_URL": self.ports.addresses["events"],
            "FIRELOOM_FACT_TOPIC": FACT_TOPIC,
            "FIRELOOM_API_KEY": "local",
            "FIRELOOM_ADMIN_EMAILS": ADMINISTRATOR,
            "FIRELOOM_HOOK_BASE_URL": self.ports.addresses["auth"],
            "FIRELOOM_CORS_ORIGIN_REGEX": _LOCALHOST,
            "FIRELOOM_OIDC_AUDIENCE": self.ports.addresses[name],
            "FIRELOOM_OIDC_SERVICE_ACCOUNTS": ",".join(callers),
            "FIRELOOM_LOCAL_OIDC_KEY": self.oidc_key,
            "FIRELOOM_SECRETS_FOLDER": str(self.secrets_folder),
            "FIRELOOM_SECRETS_KEY": self.secrets_key,
            **self.extra,
        }


def function_setting(name: str) -> str:
    """The variable that chooses a function's port."""
    return f"FIRELOOM_{name.upper()}_FUNCTION_PORT"


def task_caller(project: str) -> str:
    """The service account whose tokens the queue shows."""
    return f"tasks@{project}.iam.gserviceaccount.com"


def schedule_caller(project: str) -> str:
    """The service account whose tokens the scheduler shows."""
    return f"scheduler@{project}.iam.gserviceaccount.com"


def push_caller(project: str) -> str:
    """The service account whose tokens the subscription to facts shows."""
    return f"facts@{project}.iam.gserviceaccount.com"


def _inherited(*, providers: bool) -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in _INHERITED or (providers and name.startswith(_PROVIDERS))
    }
