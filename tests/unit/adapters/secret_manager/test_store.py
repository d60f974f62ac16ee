"""Production's store of secrets, against a server that speaks Secret Manager on the real wire."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import grpc
import grpc.aio
import pytest
from google.cloud import secretmanager_v1
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceGrpcAsyncIOTransport,
)

from shared.adapters.secret_manager.store import SecretManagerStore
from shared.domain.errors import DomainError, Internal, ResourceExhausted, Unavailable
from shared.domain.secrets import EntryId, SecretText
from tests.support.port_contracts.secret_store import SecretStoreContract

pytestmark = pytest.mark.loopback

CANARY = SecretText("canary-on-the-wire")
ENTRY = EntryId("entry1")
NAME = "projects/acme/secrets/fireloom-entry1"
LOST = grpc.StatusCode.UNAVAILABLE
Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
WIRE: Any = secretmanager_v1  # the library's (de)serialisers carry no types


def _empty(_answer: object) -> bytes:
    """google.protobuf.Empty on the wire."""
    return b""


@dataclass
class FakeSecretManager:
    """Secret Manager as far as these calls go.

    Args:
        failures: statuses with which the coming calls fail; None lets one succeed.
        applies_before_failing: whether a failing call has its effect all the same: its reply is lost.
    """

    secrets: dict[str, Any] = field(default_factory=dict[str, Any])
    versions: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    failures: list[grpc.StatusCode | None] = field(default_factory=list[grpc.StatusCode | None])
    applies_before_failing: bool = False
    calls: list[str] = field(default_factory=list[str])

    async def create_secret(self, request: Any, context: Context) -> Any:
        name = f"{request.parent}/secrets/{request.secret_id}"
        is_new = name not in self.secrets
        await self._meet("create", context, lambda: self.secrets.setdefault(name, request.secret))
        if not is_new:
            await context.abort(grpc.StatusCode.ALREADY_EXISTS, f"Secret [{name}] already exists.")
        self.versions.setdefault(name, [])
        return WIRE.Secret(name=name)

    async def add_secret_version(self, request: Any, context: Context) -> Any:
        if request.parent not in self.secrets:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Secret [{request.parent}] not found.")
        if len(request.payload.data) > 65_536:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "The payload is too large.")
        versions = self.versions.setdefault(request.parent, [])
        await self._meet("add", context, lambda: versions.append(request.payload.data))
        return WIRE.SecretVersion(name=f"{request.parent}/versions/{len(versions)}")

    async def access_secret_version(self, request: Any, context: Context) -> Any:
        await self._meet("access", context, lambda: None)
        secret, _, number = request.name.rpartition("/versions/")
        versions = self.versions.get(secret, []) if secret in self.secrets else []
        if len(versions) < int(number):
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Secret Version [{request.name}] not found.")
        payload = WIRE.SecretPayload(data=versions[int(number) - 1])
        return WIRE.AccessSecretVersionResponse(name=request.name, payload=payload)

    async def delete_secret(self, request: Any, context: Context) -> str:
        is_there = request.name in self.secrets
        await self._meet("delete", context, lambda: self.secrets.pop(request.name, None))
        if not is_there:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Secret [{request.name}] not found.")
        self.versions.pop(request.name, None)
        return "deleted"

    async def _meet(self, call: str, context: Context, effect: Any) -> None:
        self.calls.append(call)
        failure = self.failures.pop(0) if self.failures else None
        if failure is None or self.applies_before_failing:
            effect()
        if failure is not None:
            await context.abort(failure, "as told")

    def handlers(self) -> dict[str, Any]:
        def handler(method: Any, request: Any, serialize: Any) -> Any:
            made: Any = grpc.unary_unary_rpc_method_handler(
                method, request_deserializer=request.deserialize, response_serializer=serialize
            )
            return made

        return {
            "CreateSecret": handler(self.create_secret, WIRE.CreateSecretRequest, WIRE.Secret.serialize),
            "AddSecretVersion": handler(
                self.add_secret_version, WIRE.AddSecretVersionRequest, WIRE.SecretVersion.serialize
            ),
            "AccessSecretVersion": handler(
                self.access_secret_version, WIRE.AccessSecretVersionRequest, WIRE.AccessSecretVersionResponse.serialize
            ),
            "DeleteSecret": handler(self.delete_secret, WIRE.DeleteSecretRequest, _empty),
        }


@pytest.fixture
async def server() -> AsyncIterator[tuple[FakeSecretManager, int]]:
    fake = FakeSecretManager()
    running = grpc.aio.server()
    service = "google.cloud.secretmanager.v1.SecretManagerService"
    running.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, fake.handlers())])
    port = running.add_insecure_port("127.0.0.1:0")
    await running.start()
    yield fake, port
    await running.stop(None)


async def store_at(port: int, deadline_seconds: float = 10.0) -> AsyncIterator[SecretManagerStore]:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    transport = SecretManagerServiceGrpcAsyncIOTransport(channel=channel)
    client = secretmanager_v1.SecretManagerServiceAsyncClient(transport=transport)
    yield SecretManagerStore("acme", "europe-west1", client, deadline_seconds=deadline_seconds)
    await channel.close()


@pytest.fixture
def fake(server: tuple[FakeSecretManager, int]) -> FakeSecretManager:
    return server[0]


@pytest.fixture
async def store(server: tuple[FakeSecretManager, int]) -> AsyncIterator[SecretManagerStore]:
    async for store in store_at(server[1]):
        yield store


@pytest.fixture
async def silent_store() -> AsyncIterator[SecretManagerStore]:
    async for store in store_at(1, deadline_seconds=0.2):
        yield store


class TestSecretManager(SecretStoreContract):
    """On Secret Manager."""


async def test_a_secret_stays_in_the_region_under_a_name_that_policies_can_match(
    store: SecretManagerStore, fake: FakeSecretManager
) -> None:
    await store.write(ENTRY, CANARY)
    secret = fake.secrets[NAME]
    assert [replica.location for replica in secret.replication.user_managed.replicas] == ["europe-west1"]
    assert dict(secret.labels) == {"app": "fireloom"}
    assert fake.versions == {NAME: [CANARY.reveal().encode()]}


@pytest.mark.parametrize("applied", [True, False], ids=["after it took effect", "before"])
@pytest.mark.parametrize("failures", [[LOST], [None, LOST]], ids=["of making it", "of adding the value"])
async def test_a_lost_reply_is_repeated(
    store: SecretManagerStore, fake: FakeSecretManager, failures: list[grpc.StatusCode | None], *, applied: bool
) -> None:
    fake.failures, fake.applies_before_failing = list(failures), applied
    await store.write(ENTRY, CANARY)
    found = await store.read(ENTRY)
    assert found is not None
    assert found.reveal() == CANARY.reveal()
    assert set(fake.versions[NAME]) == {CANARY.reveal().encode()}


async def test_a_lost_reply_of_a_deletion_is_repeated(store: SecretManagerStore, fake: FakeSecretManager) -> None:
    await store.write(ENTRY, CANARY)
    fake.failures, fake.applies_before_failing = [grpc.StatusCode.UNAVAILABLE], True
    await store.delete(ENTRY)
    assert fake.secrets == {}


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, Internal),
        (grpc.StatusCode.UNAUTHENTICATED, Internal),
        (grpc.StatusCode.INVALID_ARGUMENT, Internal),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ResourceExhausted),
        (grpc.StatusCode.UNKNOWN, Unavailable),
    ],
)
async def test_a_refusal_is_told_without_the_value(
    store: SecretManagerStore, fake: FakeSecretManager, status: grpc.StatusCode, error: type[DomainError]
) -> None:
    fake.failures = [status]
    with pytest.raises(error) as refused:
        await store.write(ENTRY, CANARY)
    assert CANARY.reveal() not in f"{refused.value} {refused.value.__cause__}"


async def test_a_version_that_was_destroyed_by_hand_is_not_there(
    store: SecretManagerStore, fake: FakeSecretManager
) -> None:
    await store.write(ENTRY, CANARY)
    fake.failures = [grpc.StatusCode.FAILED_PRECONDITION]
    assert await store.read(ENTRY) is None


async def test_a_service_that_does_not_answer_is_unavailable(silent_store: SecretManagerStore) -> None:
    for asking in (silent_store.write(ENTRY, CANARY), silent_store.read(ENTRY), silent_store.delete(ENTRY)):
        with pytest.raises(Unavailable):
            await asking
