"""Google's keys on the loopback address: a real RSA key, published as a JWK set and as X.509 certificates."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import RSAAlgorithm


@dataclass(frozen=True)
class GoogleKeys:
    """Where the keys are, and what signs with them."""

    base_url: str
    key: rsa.RSAPrivateKey

    def sign(self, claims: Mapping[str, Any], kid: str = "one") -> str:
        """A token as Google would sign it."""
        return jwt.encode(dict(claims), self.key, algorithm="RS256", headers={"kid": kid})

    @property
    def private_pem(self) -> str:
        """The private key."""
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def new_key() -> rsa.RSAPrivateKey:
    """A key of nobody's."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@contextmanager
def published_keys() -> Generator[GoogleKeys]:
    """A server of `/jwk` and `/x509`, the two forms in which Google publishes the same keys."""
    key = new_key()
    documents = {"/jwk": {"keys": [_jwk(key)]}, "/x509": {"one": _certificate(key)}}

    class Google(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(documents[self.path]).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Google)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield GoogleKeys(f"http://127.0.0.1:{server.server_port}", key)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _jwk(key: rsa.RSAPrivateKey) -> dict[str, Any]:
    return {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "one", "use": "sig", "alg": "RS256"}


def _certificate(key: rsa.RSAPrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "securetoken.system.gserviceaccount.com")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    lasting = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    return lasting.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
