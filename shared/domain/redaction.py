"""Takes secrets out of what is about to be shown or stored, also where they come back encoded."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast
from urllib.parse import quote, quote_plus

from shared.domain.secrets import MIN_SECRET_CHARACTERS, SecretText

HIDDEN = "[secret]"


class Redactor:
    """Replaces values of secrets by `[secret]`: as they are, in JSON, in URLs, in hex, and inside base64."""

    def __init__(self, secrets: Iterable[SecretText]) -> None:
        """Know these secrets."""
        forms = {form for secret in secrets for form in _forms(secret.reveal()) if len(form) >= MIN_SECRET_CHARACTERS}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if forms else None

    def text(self, text: str) -> str:
        """The text without the secrets."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def value(self, value: Any) -> Any:
        """A JSON value without the secrets, in keys and in values."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            parts = cast("Mapping[Any, Any]", value).items()
            return {self.value(key): self.value(part) for key, part in parts}
        if isinstance(value, list | tuple):
            return [self.value(part) for part in cast("Iterable[Any]", value)]
        return value


def _forms(secret: str) -> Iterator[str]:
    for value in {secret, secret.strip()}:
        yield value
        yield quote(value, safe="")
        yield quote_plus(value)
        for ascii_only in (True, False):
            yield json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield value.encode().hex()
        yield from _inside_base64(value.encode())
    if "\n" in secret.strip():
        yield from secret.strip().splitlines()  # a key in several lines may come back line by line


def _inside_base64(value: bytes) -> Iterator[str]:
    """The characters that base64 makes of the value alone, whatever stands before and after it."""
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + value).decode().rstrip("=")
        first = (0, 2, 3)[offset]  # the characters before hold bits of what stands before
        last = (offset + len(value)) * 8 // 6  # and those from here on bits of what comes after
        yield encoded[first:last]
        yield encoded[first:last].replace("+", "-").replace("/", "_")
