"""The secret store beside the emulators: one encrypted file for each entry. Not for production.

AES-GCM with a key that whoever starts the stack makes and keeps; the entry's id is authenticated with the value, so
that a file that is moved to another name is not read as another secret. Every function's process shares the folder.
"""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from shared.domain.errors import Internal, Unavailable
from shared.domain.secrets import EntryId, SecretText

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32
_NONCE_BYTES = 12
"""Source: https://doi.org/10.6028/NIST.SP.800-38D (96 bits are recommended)"""


class FileSecretStore:
    """`SecretStore` in a folder that only its user may enter."""

    def __init__(self, folder: Path, key: str) -> None:
        """Use `folder`, which is made when something is written, and a key from `make_key`.

        Raises:
            ValueError: the key has another form; the message does not contain it.
        """
        try:
            self._key = base64.urlsafe_b64decode(key.encode("ascii"))
        except ValueError:
            self._key = b""
        if len(self._key) != _KEY_BYTES:
            raise ValueError(f"the key of secrets is {_KEY_BYTES} bytes in base64url")
        self._folder = folder

    async def write(self, entry: EntryId, value: SecretText) -> None:
        """Keep a value under a new id."""
        await asyncio.to_thread(self._write, entry, value)

    async def read(self, entry: EntryId) -> SecretText | None:
        """The value, or None."""
        return await asyncio.to_thread(self._read, entry)

    async def delete(self, entry: EntryId) -> None:
        """Destroy an entry."""
        try:
            await asyncio.to_thread(self._path(entry).unlink, missing_ok=True)
        except OSError as error:
            raise Unavailable("The folder of secrets cannot be written.") from error

    def _write(self, entry: EntryId, value: SecretText) -> None:
        path = self._path(entry)
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = nonce + self._cipher().encrypt(nonce, value.reveal().encode(), entry.encode())
        part = path.with_name(f"{entry}.{secrets.token_hex(4)}.part")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(sealed)
            try:
                path.hardlink_to(part)  # whole or not at all, and never over an entry that is there
            except FileExistsError:
                return
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise Unavailable("The folder of secrets cannot be written.") from error

    def _read(self, entry: EntryId) -> SecretText | None:
        from cryptography.exceptions import InvalidTag

        try:
            sealed = self._path(entry).read_bytes()
            opened = self._cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], entry.encode())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable("The folder of secrets cannot be read.") from error
        except (InvalidTag, ValueError):
            raise Internal(f"entry {entry} was changed, or sealed with another key") from None
        return SecretText(opened.decode())

    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._key)

    def _path(self, entry: EntryId) -> Path:
        if not entry.isalnum():
            raise Internal("the id of an entry is letters and digits")
        return self._folder / entry


def make_key() -> str:
    """A new key."""
    return base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
