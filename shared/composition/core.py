"""Connects the ports of every function to Google Cloud, or to the emulators where settings name them.

Nothing is contacted here, and no vendor's library imported: the adapters do both on first use.
"""

from __future__ import annotations

from shared.adapters.cloud_tasks.emulator import EmulatorTaskQueue
from shared.adapters.cloud_tasks.google import CloudTasksQueue
from shared.adapters.cloud_tasks.target import QueueTarget
from shared.adapters.firestore.documents import FirestoreDocuments
from shared.adapters.google_oidc.task_tokens import GoogleTaskTokens, LocalTaskTokens
from shared.adapters.identity_platform.admin import AdminSdk
from shared.adapters.identity_platform.id_tokens import IdTokenVerifier
from shared.adapters.pubsub.topic import PubSubFactTopic
from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds
from shared.ports.documents import Documents
from shared.ports.fact_topic import FactTopic
from shared.ports.identity import TokenVerifier
from shared.ports.task_identity import TaskTokenVerifier
from shared.ports.task_queue import TaskQueue
from shared.settings import Settings
from shared.usecases.nodes.engine import Core


def connect_core(
    settings: Settings,
    documents: Documents | None = None,
    queue: TaskQueue | None = None,
    topic: FactTopic | None = None,
) -> Core:
    """The ports that every use case of runs needs; those are given that others use too."""
    return Core(
        documents or connect_documents(settings),
        queue or connect_queue(settings),
        SystemClock(),
        SystemIds(),
        quota=settings.quota,
        wave=settings.wave,
        most_node_runs=settings.most_node_runs,
        topic=topic or connect_topic(settings),
    )


def connect_documents(settings: Settings) -> FirestoreDocuments:
    """The store, whose commits are given up before a lease runs out."""
    return FirestoreDocuments(settings.project, commit_timeout_seconds=settings.lease_seconds / 3)


def connect_topic(settings: Settings) -> PubSubFactTopic | None:
    """Where facts are published; nowhere beside emulators that have no Pub/Sub among them."""
    is_local = settings.firestore_emulator_host is not None
    if is_local and settings.pubsub_emulator_host is None:
        return None
    return PubSubFactTopic(settings.project, settings.fact_topic, settings.pubsub_emulator_host)


def connect_queue(settings: Settings) -> CloudTasksQueue | EmulatorTaskQueue:
    """The queue of the worker."""
    return connect_queue_of(settings, settings.queue, settings.worker_url)


def connect_deliveries(settings: Settings) -> CloudTasksQueue | EmulatorTaskQueue:
    """The queue of what goes to webhooks, which the `events` function delivers."""
    return connect_queue_of(settings, settings.delivery_queue, settings.events_url)


def connect_queue_of(settings: Settings, queue: str, url: str) -> CloudTasksQueue | EmulatorTaskQueue:
    """A queue, and the address of the function that takes its tasks.

    Raises:
        ValueError: the emulator is named without a key to sign its tasks with.
    """
    target = QueueTarget(
        project=settings.project,
        region=settings.region,
        queue=queue,
        worker_url=url,
        service_account=queue_account(settings),
    )
    if settings.tasks_emulator_host is None:
        return CloudTasksQueue(target)
    if settings.local_oidc_key is None:
        raise ValueError("set FIRELOOM_LOCAL_OIDC_KEY: the Cloud Tasks emulator signs no tokens")
    return EmulatorTaskQueue(target, settings.tasks_emulator_host, settings.local_oidc_key)


def connect_people(settings: Settings, documents: Documents) -> TokenVerifier:
    """The verifier of people's ID tokens."""
    return IdTokenVerifier(AdminSdk(settings.project), documents, SystemClock())


def connect_callers(settings: Settings) -> TaskTokenVerifier:
    """The verifier of the queue's and the scheduler's tokens."""
    accounts = settings.oidc_service_accounts or (queue_account(settings),)
    if settings.local_oidc_key is not None:
        return LocalTaskTokens(settings.local_oidc_key, settings.oidc_audience, accounts)
    return GoogleTaskTokens(settings.oidc_audience, accounts)


def queue_account(settings: Settings) -> str:
    """The service account in whose name the queue calls: the first that is accepted, else `tasks` of the project."""
    default = f"tasks@{settings.project}.iam.gserviceaccount.com"
    return settings.oidc_service_accounts[0] if settings.oidc_service_accounts else default
