"""The egress guard over TLS: it connects to an address that was checked, and believes the name that was asked."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from shared.adapters.egress.client import GuardedWebClient
from shared.domain.egress import EgressPolicy
from shared.domain.errors import Unavailable
from shared.ports.web_client import WebRequest

pytestmark = pytest.mark.loopback

_DAY = timedelta(days=1)


def certificate_of(name: str, folder: Path) -> tuple[Path, Path]:
    """The files of a certificate for a name, which signs itself, and of its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = (
        builder.serial_number(x509.random_serial_number()).not_valid_before(now - _DAY).not_valid_after(now + _DAY)
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(pem))
    files[1].write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    return files


@asynccontextmanager
async def secure_site(certificate: Path, key: Path) -> AsyncGenerator[int]:
    """A site with that certificate for the time of the block; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
        await reader.read()
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async with await asyncio.start_server(serve, "127.0.0.1", ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


async def resolve(host: str, port: int) -> tuple[str, ...]:
    """Every name leads to this machine."""
    del host, port
    return ("127.0.0.1",)


async def test_a_site_must_prove_the_name_that_was_asked_and_not_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = certificate_of("a.test", tmp_path)
    trusted = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr("shared.adapters.egress.transport._certificates", lambda: trusted)
    async with secure_site(certificate, key) as port:
        names = ("a.test", "b.test", "127.0.0.1")
        client = GuardedWebClient(EgressPolicy(frozenset((name, port) for name in names)), resolve)

        answer = await client.send(WebRequest(f"https://a.test:{port}/"))
        for other in ("b.test", "127.0.0.1"):
            with pytest.raises(Unavailable, match="cannot be reached"):
                await client.send(WebRequest(f"https://{other}:{port}/"))

    assert answer.body == b"secret"


async def test_a_certificate_that_nobody_trusts_is_refused(tmp_path: Path) -> None:
    async with secure_site(*certificate_of("a.test", tmp_path)) as port:
        client = GuardedWebClient(EgressPolicy(frozenset({("a.test", port)})), resolve)

        with pytest.raises(Unavailable, match="cannot be reached"):
            await client.send(WebRequest(f"https://a.test:{port}/"))
