"""What a deployable is told by its environment, read once, by entry points only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.domain.quotas import Quota, parse_quota
from shared.domain.run_bounds import MOST_NODE_RUNS
from shared.domain.runs import WAVE

_REGION = "us-central1"
_QUEUE = "nodes"
_DELIVERY_QUEUE = "deliveries"
_FACT_TOPIC = "facts"
_LEASE_SECONDS = 30.0
_BODY_BYTES = 1 << 20
_DEFAULT_MODEL = "google-cloud:gemini-3.8-flash"
_LOCAL_MODEL = "local:extractive"
_LOCAL_EMBEDDER = "local:hashed-words"
_EMBEDDER = "google-cloud:gemini-embedding-001"
_KEYS = {
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "google-cloud": ("GOOGLE_APPLICATION_CREDENTIALS",),
    "anthropic-vertex": ("GOOGLE_APPLICATION_CREDENTIALS",),
}
"""What shows, beside emulators, that a provider is configured; in production Vertex AI always is."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process; each is the variable `FIRELOOM_<NAME>` unless it says otherwise.

    Args:
        project: the Google Cloud project; GOOGLE_CLOUD_PROJECT where it is not set.
        region: where functions and queue run.
        queue: the Cloud Tasks queue of the nodes.
        worker_url: the worker's address, without a path.
        delivery_queue: the Cloud Tasks queue of what goes to webhooks.
        events_url: the address of the `events` function, without a path.
        fact_topic: the Pub/Sub topic on which facts are published.
        lease_seconds: how long an attempt at a node may be silent before another takes over.
        cors_origin_regex: browsers' origins that may call, matched as a whole; None admits no other origin.
        api_key: Firebase's web API key, which is no secret; any text on the emulator.
        admin_emails: addresses, in lower case, whose owners become administrators once they have proved them.
        hook_base_url: the address of the `auth` function under which its hooks are registered.
        oidc_audience: what OIDC tokens for this function must be meant for; its own address.
        oidc_service_accounts: whose OIDC tokens it accepts.
        local_oidc_key: signs and verifies tasks beside emulators; None, whatever is set, where there are none.
        secrets_folder: where secrets are kept beside emulators; None, whatever is set, where there are none.
        secrets_key: what seals the files there; likewise.
        quota: what everybody may do for whom an administrator has set nothing else, such as
            `calls_per_day=1000,runs_per_minute=60`; nothing is limited by default.
        wave: how many items of a map are set off before the first of them has ended, at most.
        most_node_runs: how many node runs a run may come to, with all items of maps and rounds of loops; what may
            come to more is refused before it begins. FIRELOOM_NODE_RUNS.
        max_body_bytes: the largest request body of ordinary routes.
        egress_loopback: `host:port` pairs, a comma list, that tools may reach although they lead to this machine; None
            of them, whatever is set, where there are no emulators.
        search_engine: what `web_search` asks: `brave` or `tavily`; nothing if left out.
        search_key: its key.
        search_url: its address, if it is another than the engine's own.
        models: which models agents may ask: globs over `provider:model`, a comma list; all by default.
        default_model: the `provider:model` that `default` means in definitions; beside emulators a local one.
        providers: those that are configured where agents run, a comma list; by default those whose own variables are
            set here.
        embedder: what makes the vectors of new collections of knowledge, `provider:model`; beside emulators a local
            one, which knows words and no meaning.
        firestore_emulator_host: `host:port` from FIRESTORE_EMULATOR_HOST, or None in production; the others alike.
        auth_emulator_host: from FIREBASE_AUTH_EMULATOR_HOST.
        tasks_emulator_host: from CLOUD_TASKS_EMULATOR_HOST.
        pubsub_emulator_host: from PUBSUB_EMULATOR_HOST.
    """

    project: str
    region: str = _REGION
    queue: str = _QUEUE
    worker_url: str = ""
    delivery_queue: str = _DELIVERY_QUEUE
    events_url: str = ""
    fact_topic: str = _FACT_TOPIC
    lease_seconds: float = _LEASE_SECONDS
    cors_origin_regex: str | None = None
    api_key: str = ""
    admin_emails: frozenset[str] = frozenset()
    hook_base_url: str = ""
    oidc_audience: str = ""
    oidc_service_accounts: tuple[str, ...] = ()
    local_oidc_key: str | None = None
    secrets_folder: str | None = None
    secrets_key: str | None = field(default=None, repr=False)
    quota: Quota = field(default_factory=Quota)
    wave: int = WAVE
    most_node_runs: int = MOST_NODE_RUNS
    max_body_bytes: int = _BODY_BYTES
    egress_loopback: frozenset[tuple[str, int]] = frozenset()
    search_engine: str | None = None
    search_key: str | None = field(default=None, repr=False)
    search_url: str | None = None
    models: tuple[str, ...] = ("*",)
    default_model: str = _DEFAULT_MODEL
    providers: frozenset[str] = frozenset({"local"})
    embedder: str = _EMBEDDER
    firestore_emulator_host: str | None = None
    auth_emulator_host: str | None = None
    tasks_emulator_host: str | None = None
    pubsub_emulator_host: str | None = None


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        ValueError: a variable is missing or has the wrong form; the message names it.
    """

    def text(name: str, default: str = "") -> str:
        return environ.get(f"FIRELOOM_{name}", "").strip() or default

    project = text("PROJECT", environ.get("GOOGLE_CLOUD_PROJECT", ""))
    if not project:
        raise ValueError("set FIRELOOM_PROJECT or GOOGLE_CLOUD_PROJECT")
    region = text("REGION", _REGION)
    emulators = _emulators(environ)
    is_local = any(emulators.values())

    def local(name: str) -> str | None:
        return (text(name) or None) if is_local else None

    return Settings(
        project=project,
        region=region,
        queue=text("QUEUE", _QUEUE),
        worker_url=text("WORKER_URL").rstrip("/"),
        delivery_queue=text("DELIVERY_QUEUE", _DELIVERY_QUEUE),
        events_url=text("EVENTS_URL").rstrip("/"),
        fact_topic=text("FACT_TOPIC", _FACT_TOPIC),
        lease_seconds=_number("LEASE_SECONDS", text("LEASE_SECONDS", str(_LEASE_SECONDS))),
        cors_origin_regex=text("CORS_ORIGIN_REGEX") or None,
        api_key=text("API_KEY"),
        quota=_quota(text("QUOTA")),
        wave=math.ceil(_number("WAVE", text("WAVE", str(WAVE)))),
        most_node_runs=math.ceil(_number("NODE_RUNS", text("NODE_RUNS", str(MOST_NODE_RUNS)))),
        admin_emails=frozenset(email.lower() for email in _listed(text("ADMIN_EMAILS"))),
        hook_base_url=text("HOOK_BASE_URL", f"https://{region}-{project}.cloudfunctions.net/auth").rstrip("/"),
        oidc_audience=text("OIDC_AUDIENCE"),
        oidc_service_accounts=_listed(text("OIDC_SERVICE_ACCOUNTS")),
        local_oidc_key=local("LOCAL_OIDC_KEY"),
        secrets_folder=local("SECRETS_FOLDER"),
        secrets_key=local("SECRETS_KEY"),
        max_body_bytes=int(_number("MAX_BODY_BYTES", text("MAX_BODY_BYTES", str(_BODY_BYTES)))),
        egress_loopback=_sites("EGRESS_LOOPBACK", text("EGRESS_LOOPBACK")) if is_local else frozenset(),
        search_engine=text("SEARCH_ENGINE").lower() or None,
        search_key=text("SEARCH_KEY") or None,
        search_url=text("SEARCH_URL").rstrip("/") or None,
        models=_listed(text("MODELS", "*")),
        default_model=_model("DEFAULT_MODEL", text("DEFAULT_MODEL", _LOCAL_MODEL if is_local else _DEFAULT_MODEL)),
        embedder=_model("EMBEDDER", text("EMBEDDER", _LOCAL_EMBEDDER if is_local else _EMBEDDER)),
        providers=frozenset(_listed(text("PROVIDERS"))) | {"local"}
        if text("PROVIDERS")
        else _configured(environ, is_local=is_local),
        **emulators,
    )


def _emulators(environ: Mapping[str, str]) -> dict[str, str | None]:
    """Where they are, by the fields of `Settings`."""
    return {
        "firestore_emulator_host": environ.get("FIRESTORE_EMULATOR_HOST") or None,
        "auth_emulator_host": environ.get("FIREBASE_AUTH_EMULATOR_HOST") or None,
        "tasks_emulator_host": environ.get("CLOUD_TASKS_EMULATOR_HOST") or None,
        "pubsub_emulator_host": environ.get("PUBSUB_EMULATOR_HOST") or None,
    }


def _configured(environ: Mapping[str, str], *, is_local: bool) -> frozenset[str]:
    """The providers whose own variables are set."""
    keyed = {provider for provider, names in _KEYS.items() if any(environ.get(name) for name in names)}
    return frozenset(keyed | {"local"} | (set() if is_local else {"google-cloud", "anthropic-vertex"}))


def _model(name: str, text: str) -> str:
    if not all(text.partition(":")):
        raise ValueError(f"FIRELOOM_{name} is provider:model, not {text!r}")
    return text


def _listed(text: str) -> tuple[str, ...]:
    """The parts of a comma list."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _sites(name: str, text: str) -> frozenset[tuple[str, int]]:
    """The `host:port` pairs of a comma list."""
    pairs = [part.rpartition(":") for part in _listed(text)]
    if not all(host and port.isdecimal() for host, _, port in pairs):
        raise ValueError(f"FIRELOOM_{name} is a list of host:port, not {text!r}")
    return frozenset((host.strip("[]").lower(), int(port)) for host, _, port in pairs)


def _quota(text: str) -> Quota:
    try:
        return parse_quota(text)
    except ValueError as error:
        raise ValueError(f"FIRELOOM_QUOTA is {error}") from error


def _number(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise ValueError(f"FIRELOOM_{name} is a positive number, not {text!r}")
    return number
