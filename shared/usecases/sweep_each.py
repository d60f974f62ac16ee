"""See to each of what a sweep found, so that none of it holds up the others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import NoReturn, TypeAlias, TypeVar

from shared.domain.errors import DomainError
from shared.domain.writes import Update
from shared.ports.documents import Documents, Snapshot
from shared.usecases.try_commit import try_commit

T = TypeVar("T")
R = TypeVar("R")
Report: TypeAlias = Callable[[BaseException], object]
"""Told of every exception that is not a DomainError."""
MOST_REFUSALS = 3
"""After so many it is not what was found: the store or a queue is away, and the next sweep goes on."""


def surface(defect: BaseException) -> NoReturn:
    """The report of a sweep that ends with the first defect."""
    raise defect


async def sweep_each(
    found: Iterable[T],
    see_to: Callable[[T], Awaitable[R]],
    put_off: Callable[[T, Exception], Awaitable[object]],
    report: Report = surface,
) -> list[R]:
    """What `see_to` comes to for each; what it fails for is put off, so that the next sweep does not begin with it.

    Raises:
        DomainError: it failed for some, mostly because the store or a queue did not answer; the others were seen to,
            unless there were `MOST_REFUSALS` of them.
    """
    results: list[R] = []
    refusals: list[DomainError] = []
    for one in found:
        try:
            results.append(await see_to(one))
        except Exception as error:  # noqa: BLE001 - reported, or raised at the end
            if isinstance(error, DomainError):
                refusals.append(error)
            else:
                report(error)
            await _attempt(put_off(one, error), report)
            if len(refusals) == MOST_REFUSALS:
                break
    if refusals:
        raise refusals[0]
    return results


async def make_due_again(documents: Documents, field: str, at: datetime, snapshot: Snapshot, _error: Exception) -> None:
    """Put off what is due by a field of its document, unless it has changed: it is due again `at`."""
    await try_commit(documents, [Update(snapshot.path, {field: at}, seen=snapshot.update_time)])


async def _attempt(putting_off: Awaitable[object], report: Report) -> None:
    try:
        await putting_off
    except DomainError:
        return  # it stays due
    except Exception as error:  # noqa: BLE001 - reported
        report(error)
