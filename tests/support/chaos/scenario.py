"""What people do in one schedule: drawn from the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias

from shared.usecases.runs.start_run import IfBusy

DEFINITIONS = 3000
IF_BUSY: tuple[IfBusy, ...] = ("enqueue", "interrupt", "reject")
SECOND_THOUGHTS = 0.08
"""In how many schedules somebody comes back to what has ended."""


@dataclass(frozen=True, slots=True)
class Message:
    """Somebody says something.

    Args:
        at: when, in virtual seconds.
        chat: answered in its own request, otherwise started and executed by workers.
        session: in the schedule's session, otherwise in one of its own.
        has_key: sent with an idempotency key, and again until it is answered.
        leaves_after: the client of a chat leaves after so many seconds.
        grace_seconds: how long the model call in flight may go on then.
    """

    at: float
    text: str
    chat: bool
    session: bool
    if_busy: IfBusy
    has_key: bool
    leaves_after: float | None = None
    grace_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Cancel:
    """Somebody cancels the run of a message."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody pauses the run of a message, and resumes it after so many seconds."""

    at: float
    text: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Retry:
    """Somebody retries the run of a message once it has ended badly; as often as that happens, up to `times`."""

    at: float
    text: str
    if_busy: IfBusy
    times: int


@dataclass(frozen=True, slots=True)
class Shutdown:
    """The platform stops an instance: it gives way, and is killed after the grace."""

    at: float
    grace_seconds: float


@dataclass(frozen=True, slots=True)
class Replay:
    """Somebody replays the run of a message from one of its nodes, once it has ended.

    Args:
        place: which node, as a share of all that the plan has.
        items: how many items the other input lists; None for the same input.
    """

    at: float
    text: str
    place: float
    items: int | None
    if_busy: IfBusy


@dataclass(frozen=True, slots=True)
class Regenerate:
    """Somebody wants another answer in the session of a message, once that one's run has ended."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Fork:
    """Somebody forks the schedule's session, and goes on in the fork.

    Args:
        place: at which event, as a share of the log; None for its end.
        has_key: sent with an idempotency key, and again until it is answered.
        says: they say something in the fork; otherwise its last message is answered again, if it has one.
    """

    at: float
    place: float | None
    has_key: bool
    says: bool


@dataclass(frozen=True, slots=True)
class Store:
    """Somebody stores a version of a file in the schedule's session."""

    at: float
    content: str


Action: TypeAlias = Message | Cancel | Pause | Retry | Replay | Regenerate | Fork | Store | Shutdown


@dataclass(frozen=True, slots=True)
class Scenario:
    """A schedule's plan, but for its faults.

    Args:
        definition: number of the agent.
        items: how many items the runs' input lists.
        shard_above: from how many edges on a join counts in shards.
    """

    definition: int
    items: int
    shard_above: int
    workers: int
    actions: tuple[Action, ...]


def drawn(random: Random, retrying: Random, number: int | None = None) -> Scenario:
    """A random scenario, of the agent of this number if there is one.

    Most are small: one message or two, lists of up to four items. What is done again is drawn apart, so that all else
    does not depend on it.
    """
    number = random.randrange(DEFINITIONS) if number is None else number
    single = number % 2 == 0
    count = random.choice((1,) * 6 + (2, 3)) if single else random.choice((1,) * 7 + (2,))
    messages = [_message(random, n, single=single) for n in range(count)]
    actions: list[Action] = list(messages)
    actions += [
        Cancel(message.at + random.choice((0.05, 2, 20)) * random.random(), message.text)
        for message in messages
        if random.random() < 0.2
    ]
    actions += [
        Pause(
            message.at + random.choice((0.05, 2, 20)) * random.random(), message.text, random.choice((0.5, 5.0, 90.0))
        )
        for message in messages
        if random.random() < 0.12
    ]
    if random.random() < 0.15:
        actions.append(Shutdown(random.uniform(0, 20), random.choice((0.0, 1.0, 5.0))))
    actions += [
        Retry(
            message.at + retrying.uniform(1, 20),
            message.text,
            retrying.choice(IF_BUSY),
            retrying.choice((1, 2)),
        )
        for message in messages
        if retrying.random() < 0.2
    ]
    actions += _second_thoughts(retrying, messages)
    return Scenario(
        definition=number,
        items=random.choice((0, 1, 1, 1, 2, 2, 3, 4)) if random.random() < 0.997 else 52,
        shard_above=random.choice((50, 50, 1, 2, 3)),
        workers=random.choice((1, 2, 3)),
        actions=tuple(sorted(actions, key=lambda action: action.at)),
    )


def _message(random: Random, number: int, *, single: bool) -> Message:
    policies: tuple[Literal["reject", "enqueue", "interrupt"], ...] = ("enqueue", "enqueue", "interrupt", "reject")
    return Message(
        at=0.0 if number == 0 else random.choice((0.1, 3, 30)) * random.random(),
        text=f"m{number}",
        chat=random.random() < (0.5 if single else 0.2),
        session=random.random() < 0.8,
        if_busy=random.choice(policies),
        has_key=random.random() < 0.5,
        leaves_after=random.choice((None, None, 0.2, 3.0, 8.0)),
        grace_seconds=random.choice((0.0, 1.0, 5.0)),
    )


def _second_thoughts(random: Random, messages: Sequence[Message]) -> Iterator[Action]:
    """What somebody does with a run that has ended well or badly."""
    if random.random() >= SECOND_THOUGHTS:
        return
    message = random.choice(messages)
    at = message.at + random.uniform(1, 20)
    match random.choice(("replay", "replay", "regenerate", "fork")):
        case "replay":
            yield Replay(at, message.text, random.random(), random.choice((None, 0, 1, 3)), random.choice(IF_BUSY))
        case "regenerate":
            yield Regenerate(at, message.text)
        case _:
            place = random.choice((None, None, random.random()))
            yield from (Store(random.uniform(0, at + 5), f"version {n}") for n in range(random.choice((0, 1, 2))))
            yield Fork(at, place, has_key=random.random() < 0.5, says=random.random() < 0.5)
