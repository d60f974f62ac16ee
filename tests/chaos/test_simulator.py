"""The simulator itself: a seed is one schedule, and anybody can read it."""

import sys

import pytest

from tests.chaos.replay import main
from tests.support.chaos.schedules import play


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


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [(["3"], "every promise held"), (["0", "--without", "journal"], "which is recorded")],
)
def test_a_schedule_can_be_read_from_its_first_effect_to_its_verdict(
    arguments: list[str], verdict: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["replay", *arguments])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert any("Create runs/" in line for line in lines)
    assert any("<<<" in line for line in lines)
    assert verdict in lines[-1]
