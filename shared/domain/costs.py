"""What model calls may cost."""

from __future__ import annotations

from shared.domain.errors import FailedPrecondition, LimitReached
from shared.domain.usage import Usage


def check_cost(most: int | None, used: Usage) -> None:
    """Refuse another model request where a limit of cost is reached; the response that crosses it is not foreseen.

    Args:
        most: millionths of a US dollar; None for no limit.
        used: what was consumed so far.

    Raises:
        LimitReached: it is.
        FailedPrecondition: what a response cost is not known.
    """
    cost = used.cost_usd_micros
    if most is None:
        return
    if cost is None:
        raise FailedPrecondition("Cost is limited, and the price of a model that answered is not known.")
    if cost >= most:
        raise LimitReached(f"The agent's limit of {dollars(most)} is reached: {dollars(cost)} are spent.")


def dollars(micros: int) -> str:
    """An amount in millionths of a US dollar, for people: `$2.25`."""
    return f"${micros / 1_000_000:.6f}".rstrip("0").rstrip(".")
