"""Identifiers that nobody can guess."""

from __future__ import annotations

import secrets
import string

_ALPHABET = string.ascii_letters + string.digits


class SystemIds:
    """`Ids` from the operating system's randomness: 119 bits each."""

    def new(self) -> str:
        """A fresh id of 20 characters."""
        return "".join(secrets.choice(_ALPHABET) for _ in range(20))
