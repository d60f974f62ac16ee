"""Schedules that hypothesis draws, from the generators that seeds use: it shrinks what breaks a promise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from hypothesis import strategies as st

from shared.domain.records import from_json
from shared.domain.writes import Create
from tests.support.chaos.definitions import Definition, defined
from tests.support.chaos.faults import Effect, Fault, FaultPlan
from tests.support.chaos.rules import EVERYTHING, Rules
from tests.support.chaos.scenario import Scenario, drawn
from tests.support.chaos.schedules import Result, play_out

SEEDS = 2**16


@dataclass(frozen=True, slots=True)
class DrawnSchedule:
    """What hypothesis draws: graph, people, and how much of which faults there is.

    Where the faults strike, and how long things take, is drawn from `seed`: to shrink that would be to draw thousands
    of numbers, more than hypothesis does for one example, of which the smallest mean a fault at every effect.
    """

    agent: Definition
    scenario: Scenario
    faults: FaultPlan
    seed: int
    rules: Rules

    def play(self, *, traced: bool = False) -> Result:
        """Run it; each time it is the same."""
        chance = Random(self.seed)  # noqa: S311 - repeatable on purpose
        met, done = Counter[Effect](), Counter[tuple[Effect, Fault]]()
        plan = replace(self.faults, random=chance, met=met, done=done)
        return play_out(self.agent, self.scenario, plan, self.rules, traced=traced, trusting=True)

    @property
    def size(self) -> tuple[int, int, int]:
        """How much there is to read: vertices, what people do, and faults at most."""
        return len(self.agent.graph.plan.nodes), len(self.scenario.actions), self.faults.most

    def told(self) -> Iterator[str]:
        """All of it, for a person: the agent, the people, each effect, and what is wrong."""
        result = self.play(traced=True)
        stored = [write.fields for write in self.agent.writes if isinstance(write, Create)]
        yield from (f"agent {from_json(fields['definition_json'])}" for fields in stored if "definition_json" in fields)
        yield str(self.scenario)
        yield from map(str, result.story)
        yield from result.violations

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - as hypothesis calls it
        """In short, where hypothesis prints an example that fails."""
        del cycle
        printer.text(f"DrawnSchedule({self.scenario}, seed={self.seed})")


@st.composite
def drawn_schedules(draw: st.DrawFn, rules: Rules = EVERYTHING) -> DrawnSchedule:
    """Schedules with random graphs, people and faults."""
    random = draw(st.randoms(use_true_random=False))
    scenario = drawn(random, random)
    agent = defined(scenario.definition, lambda _: random)
    return DrawnSchedule(agent, scenario, FaultPlan.drawn(random, rules.kinds), random.randrange(SEEDS), rules)
