"""One schedule, from its seed to what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random

from shared.domain import joins
from shared.usecases.sessions import follow_session
from tests.support.chaos.clients import Clients
from tests.support.chaos.definitions import Definition, definition
from tests.support.chaos.faults import Effect, Fault, FaultPlan
from tests.support.chaos.invariants import faults_in
from tests.support.chaos.rules import EVERYTHING, Rules
from tests.support.chaos.scenario import DEFINITIONS, Fork, Scenario, drawn
from tests.support.chaos.world import Line, Site, World

DEADLINE_SECONDS = 3600.0
"""In virtual time: no fault, delay or back-off adds up to as much."""
PLAYED_EACH = 8
"""So many seeds in a row play the same agent, because to read and plan one takes as long as a tenth of a schedule."""
LARGE = 9
"""Agents of more nodes have half as many schedules as the others, because one of theirs takes as long as four."""
LOOKED_EVERY_SECONDS = 8.0
"""More than is so: what a look shows in which nothing happened is what the one before it showed."""
REPEATED_EVERY = 4
"""In each nth schedule a task is delivered and a sweep made once more at the end: a tenth of all effects."""
CHECKED_EVERY = 64
"""In each nth schedule each commit is checked against Firestore's limits, which takes as long as all else."""


@dataclass(slots=True)
class Result:
    """What a schedule came to."""

    scenario: Scenario
    violations: list[str]
    seconds: float
    runs: int
    nodes: int
    met: Counter[Effect]
    done: Counter[tuple[Effect, Fault]]
    sites: Counter[Site]
    swept_tasks: int
    story: list[Line] = field(default_factory=list[Line])


def play(seed: int, rules: Rules = EVERYTHING, *, traced: bool = False) -> Result:
    """Run the schedule of a seed to its end and check what is left."""
    random = Random(seed)  # noqa: S311 - repeatable on purpose
    retrying = Random(f"retries of {seed}")  # noqa: S311 - as above
    scenario = rules.scenario or drawn(random, retrying, _agent_of(seed))
    plan = FaultPlan.drawn(random, rules.kinds)
    if rules.single is not None:
        plan = replace(plan, single=rules.single)
    again = rules.scenario is not None or seed % REPEATED_EVERY == 0
    trusting = seed % CHECKED_EVERY != 0
    agent = definition(scenario.definition)
    return play_out(agent, scenario, plan, rules, again=again, traced=traced, trusting=trusting)


def _agent_of(seed: int) -> int:
    """The number of the agent that is played; where it is large, every other time the single one before it."""
    number = seed // PLAYED_EACH % DEFINITIONS
    is_large = len(definition(number).graph.plan.nodes) > LARGE
    return number - 1 if is_large and seed % 2 else number


def play_out(
    agent: Definition,
    scenario: Scenario,
    plan: FaultPlan,
    rules: Rules,
    *,
    again: bool = True,
    traced: bool,
    trusting: bool,
) -> Result:
    """Run a schedule; what happens by chance on the way is drawn where the faults are.

    Args:
        agent: what is run.
        scenario: what people do.
        plan: what fails.
        rules: what takes part.
        again: once everything has ended, see that another delivery and another sweep change nothing.
        traced: tell of each effect.
        trusting: with a store that checks no limits.
    """
    world = World(agent, plan, plan.random, traced=traced, trusting=trusting)
    world.worker_count = scenario.workers
    world.only_workers = rules.only_workers
    world.has_forks = any(isinstance(action, Fork) for action in scenario.actions)
    try:
        with _settings(scenario):
            over = _play(world, scenario, sweeper=rules.sweeper)
            if again and not world.violations:
                _repeat_last(world, over)
    finally:
        world.close()
    monitor = world.monitor
    return Result(
        scenario=scenario,
        violations=world.violations,
        seconds=world.loop.now,
        runs=len(monitor.runs),
        nodes=len(monitor.nodes),
        met=plan.met,
        done=plan.done,
        sites=world.sites,
        swept_tasks=world.swept_tasks,
        story=world.story or [],
    )


@contextmanager
def _settings(scenario: Scenario) -> Generator[None, None, None]:
    """From how many edges on joins count in shards, and how seldom who follows a session looks when nothing happens."""
    before = joins.SHARD_ABOVE, follow_session.MOST_PAUSE_SECONDS
    joins.SHARD_ABOVE, follow_session.MOST_PAUSE_SECONDS = scenario.shard_above, LOOKED_EVERY_SECONDS
    try:
        yield
    finally:
        joins.SHARD_ABOVE, follow_session.MOST_PAUSE_SECONDS = before


def _judge(world: World, clients: Clients) -> None:
    """Note what does not hold of a schedule that came to its end."""
    for fault in faults_in(world, clients.readings):
        world.violation(fault)


def _play(world: World, scenario: Scenario, *, sweeper: bool) -> Callable[[], bool]:
    """Run the scenario and look at what is left; returns what tells whether anything is still to be done."""
    clients = Clients(world, scenario.items)
    clients.plan(scenario.actions)
    if sweeper:
        _repeat(world, (20, 90), world.sweep)
    _repeat(world, (1, 40), clients.answer_people)

    def over() -> bool:
        return bool(world.violations) or (clients.present == 0 and world.is_quiet)

    if not world.loop.run(until=over, deadline=DEADLINE_SECONDS):
        world.violation(f"at {world.loop.now:.0f} s something is still to be done: {_left(world, clients)}")
    if not world.violations:
        _judge(world, clients)
    return over


def _repeat_last(world: World, over: Callable[[], bool]) -> None:
    """Deliver a task once more, sweep once more, and see that nothing changes."""
    world.faults.rate = 0.0
    before = world.store.commits
    accepted = world.queue.accepted
    if accepted:
        world.queue.schedule(world.random.choice(accepted))
    world.sweep()
    world.loop.run(until=over, deadline=DEADLINE_SECONDS * 2)
    ends_early = world.definition.graph.may_end_early  # what comes late is claimed, and its claim undone
    if not world.violations and not ends_early and world.store.commits != before:
        world.violation("a task that was delivered again, or a sweep, changed what had ended")


def _repeat(world: World, pauses: tuple[float, float], action: Callable[[], None]) -> None:
    """Do something again and again."""

    def act() -> None:
        action()
        _repeat(world, pauses, action)

    world.loop.at(world.loop.now + world.random.uniform(*pauses), act)


def _left(world: World, clients: Clients) -> str:
    runs = [f"{run.id} {run.state}" for run in world.monitor.runs.values() if not run.ended]
    open_ = {"ready", "running", "waiting"}
    nodes = [f"{path} {state}" for path, state in world.monitor.nodes.items() if state in open_]
    tasks, leases = world.queue.outstanding, sorted(world.monitor.leases)
    forks = sorted(world.monitor.forks.half_made)
    return f"{clients.present} clients, {tasks} tasks, runs {runs}, nodes {nodes}, leases {leases}, half forks {forks}"
