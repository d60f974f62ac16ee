"""The simulator itself: a seed is one schedule, and anybody can read it."""

import shlex
import sys

import pytest

from tests.chaos.replay import main
from tests.support.chaos.broken_guards import GUARDS
from tests.support.chaos.campaign import Broken, Job, play_until_broken
from tests.support.chaos.faults import Effect, Fault, Single
from tests.support.chaos.handmade_scenarios import SCENARIOS
from tests.support.chaos.replays import replay_command
from tests.support.chaos.rules import FAMILIES, Rules
from tests.support.chaos.schedules import play
from tests.support.chaos.virtual_loop import VirtualLoop


def story(seed: int) -> list[str]:
    return [str(line) for line in play(seed, traced=True).story]


def test_a_seed_is_one_schedule_whatever_was_played_before() -> None:
    seeds = range(30)
    stories = [story(seed) for seed in seeds]
    assert [story(seed) for seed in reversed(seeds)] == stories[::-1]
    assert len({"\n".join(lines) for lines in stories}) == len(seeds)


def test_reading_a_schedule_does_not_change_it() -> None:
    for seed in range(10):
        assert play(seed, traced=True).met == play(seed).met


def test_a_call_that_is_due_can_be_taken_back() -> None:
    loop, done = VirtualLoop(), list[int]()
    loop.call_soon(done.append, 1)
    loop.call_soon(done.append, 2).cancel()
    loop.run(until=lambda: False, deadline=1.0)
    assert done == [1]


def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    monkeypatch.setattr(sys, "argv", ["replay", *arguments])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert any("Create runs/" in line for line in lines)
    return lines


def test_a_schedule_can_be_read_from_its_first_effect_to_its_verdict(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty = next(seed for seed in range(100) if play(seed).done)
    lines = told(monkeypatch, capsys, str(faulty))
    assert any("<<<" in line for line in lines)
    assert lines[-1] == "every promise held"


def test_a_broken_schedule_can_be_read_to_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    guard = GUARDS["journal"]
    with guard.broken():
        broken = play_until_broken(range(100), guard.rules)
    assert broken is not None
    lines = told(monkeypatch, capsys, str(broken.job.seed), "--without", "journal")
    assert any("VIOLATION" in line for line in lines)
    assert lines[-1] == broken.violations[-1]


def test_a_single_fault_can_be_read_with_the_command_that_a_test_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scenario = "a cancelled delegation"
    rules = Rules(scenario=SCENARIOS[scenario], single=Single(Effect.COMMIT, 3, Fault.LATE))
    command = str(Broken(Job(1, rules), ("it broke",)))
    assert command == (
        "it broke (python -m tests.chaos.replay 1 --scenario 'a cancelled delegation'"
        " --fault 'commit 3: given up, applied later')"
    )
    arguments = shlex.split(command.partition("tests.chaos.replay ")[2].removesuffix(")"))
    lines = told(monkeypatch, capsys, *arguments)
    (met,) = [line for line in lines if "<<<" in line]
    assert "<<< GIVEN UP, APPLIED LATER" in met
    story = play(1, rules, traced=True).story
    assert lines[: len(story)] == [str(line) for line in story]


@pytest.mark.parametrize("name", FAMILIES)
def test_the_command_of_a_suites_schedule_names_its_rules(name: str) -> None:
    assert replay_command(7, FAMILIES[name]) == f"python -m tests.chaos.replay 7 --family {name}"


def test_the_command_of_a_schedule_without_a_guard_names_the_guard() -> None:
    without = replay_command(7, GUARDS["own expiry"].rules, without="own expiry")
    assert without == "python -m tests.chaos.replay 7 --without 'own expiry'"
