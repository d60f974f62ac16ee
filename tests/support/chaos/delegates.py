"""Delegates, by the names of their nodes."""

from __future__ import annotations

import re

from shared.domain.ids import Instance

_BELOW = re.compile(r"(\.\w+\.\d{4}-call-[\d-]+)+(?=~)")


def holder_of(instance: Instance) -> Instance:
    """The node under whose lease an instance works: of a delegate, the one that asked first."""
    return Instance(_BELOW.sub("", instance))
