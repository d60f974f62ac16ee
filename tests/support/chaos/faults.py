"""What can go wrong at each effect, and the plan by which it does: a function of the seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random


class Effect(StrEnum):
    """The kinds of effects, each of which awaits something outside the process."""

    READ = "read"
    COMMIT = "commit"
    ENQUEUE = "enqueue"
    DELIVERY = "delivery"
    ACKNOWLEDGEMENT = "acknowledgement"
    MODEL = "model"
    TOOL = "tool"


class Fault(StrEnum):
    """What becomes of one effect."""

    CRASH_BEFORE = "crash before"
    CRASH_AFTER = "crash after"
    STALL = "stall"
    SLOW = "slow"
    REPLY_LOST = "reply lost"
    ABORTED = "aborted"
    LATE = "given up, applied later"
    UNAVAILABLE = "unavailable"
    PARTLY = "partly"
    DUPLICATE = "duplicate"
    DELAYED = "delayed"
    LOST = "lost"


CRASHES = frozenset({Fault.CRASH_BEFORE, Fault.CRASH_AFTER})
POSSIBLE: dict[Effect, tuple[Fault, ...]] = {
    Effect.READ: (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.STALL, Fault.SLOW, Fault.UNAVAILABLE),
    Effect.COMMIT: (
        Fault.CRASH_BEFORE,
        Fault.CRASH_AFTER,
        Fault.STALL,
        Fault.SLOW,
        Fault.REPLY_LOST,
        Fault.ABORTED,
        Fault.LATE,
    ),
    Effect.ENQUEUE: (
        Fault.CRASH_BEFORE,
        Fault.CRASH_AFTER,
        Fault.STALL,
        Fault.UNAVAILABLE,
        Fault.PARTLY,
        Fault.REPLY_LOST,
    ),
    Effect.DELIVERY: (Fault.DUPLICATE, Fault.DELAYED, Fault.LOST),
    Effect.ACKNOWLEDGEMENT: (Fault.REPLY_LOST,),
    Effect.MODEL: (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.STALL, Fault.SLOW, Fault.UNAVAILABLE),
    Effect.TOOL: (Fault.CRASH_BEFORE, Fault.CRASH_AFTER, Fault.STALL, Fault.SLOW),
}
EVERY = frozenset(fault for faults in POSSIBLE.values() for fault in faults)


@dataclass(frozen=True, slots=True)
class Single:
    """Exactly one fault: at the nth effect of a kind that is met."""

    effect: Effect
    number: int
    fault: Fault

    @classmethod
    def none(cls) -> Single:
        """No fault at all."""
        return cls(Effect.READ, -1, Fault.SLOW)

    @classmethod
    def parse(cls, text: str) -> Single:
        """The fault that is said so.

        Raises:
            ValueError: it is no fault.
        """
        place, _, fault = text.partition(": ")
        effect, _, number = place.partition(" ")
        return cls(Effect(effect), int(number), Fault(fault))

    def __str__(self) -> str:
        """As `parse` reads it."""
        return f"{self.effect} {self.number}: {self.fault}"


@dataclass(slots=True)
class FaultPlan:
    """Decides the fate of each effect.

    Args:
        kinds: the faults that this schedule knows (a random subset: rare combinations come up sooner so).
        rate: how probable a fault is at each effect.
        until: from when on, in virtual seconds, nothing fails any more.
        most: how many faults there are at most.
        single: the only fault, instead of random ones.
        met: how many effects of each kind there were.
        done: how often each fault was injected, by effect.
    """

    random: Random
    kinds: frozenset[Fault] = EVERY
    rate: float = 0.0
    until: float = 0.0
    most: int = 0
    single: Single | None = None
    met: Counter[Effect] = field(default_factory=Counter[Effect])
    done: Counter[tuple[Effect, Fault]] = field(default_factory=Counter[tuple[Effect, Fault]])
    _choices: dict[Effect, tuple[Fault, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self._choices = {
            effect: tuple(fault for fault in faults if fault in self.kinds) for effect, faults in POSSIBLE.items()
        }

    @classmethod
    def drawn(cls, random: Random, kinds: frozenset[Fault] = EVERY) -> FaultPlan:
        """A plan of random faults out of `kinds`."""
        ordered = sorted(kinds)
        known = frozenset(fault for fault in ordered if random.random() < random.choice((0.3, 0.6, 1.0)))
        return cls(
            random,
            kinds=known,
            rate=random.choice((0.03, 0.1, 0.1, 0.2, 0.2, 0.3)),
            until=random.uniform(5, 150),
            most=random.choice((1, 2, 3, 5, 10, 20, 40)),
        )

    @property
    def injected(self) -> int:
        """How many faults there were."""
        return sum(self.done.values())

    def decide(self, effect: Effect, now: float) -> Fault | None:
        """The fault that this effect meets, or None."""
        self.met[effect] += 1
        fault = self._single(effect) if self.single is not None else self._random(effect, now)
        if fault is not None:
            self.done[effect, fault] += 1
        return fault

    def _single(self, effect: Effect) -> Fault | None:
        single = self.single
        meets = single is not None and effect is single.effect and self.met[effect] - 1 == single.number
        return single.fault if single is not None and meets else None

    def _random(self, effect: Effect, now: float) -> Fault | None:
        if self.most <= 0 or now > self.until or self.rate == 0.0 or self.random.random() >= self.rate:
            return None
        choices = self._choices[effect]
        if not choices:
            return None
        self.most -= 1
        return choices[int(self.random.random() * len(choices))]
