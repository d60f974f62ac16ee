"""Plays one schedule and prints all of it: python -m tests.chaos.replay SEED, with what a test that failed says."""

from __future__ import annotations

import argparse
from contextlib import nullcontext

from tests.support.chaos.broken_guards import GUARDS
from tests.support.chaos.faults import Single
from tests.support.chaos.handmade_scenarios import SCENARIOS
from tests.support.chaos.rules import EVERYTHING, FAMILIES, Rules
from tests.support.chaos.schedules import play


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.replay", description="Play one schedule and print it.")
    parser.add_argument("seed", type=int)
    parser.add_argument("--family", choices=FAMILIES, help="the rules of its suite")
    parser.add_argument("--scenario", choices=SCENARIOS, metavar="NAME", help=f"one of: {', '.join(SCENARIOS)}")
    parser.add_argument("--fault", type=Single.parse, help='the only fault of a scenario, such as "commit 12: aborted"')
    parser.add_argument("--without", choices=GUARDS, metavar="GUARD", help=f"one of: {', '.join(GUARDS)}")
    asked = parser.parse_args()
    guard = GUARDS.get(asked.without)
    with nullcontext() if guard is None else guard.broken():
        result = play(asked.seed, rules_of(asked), traced=True)
    met = {f"{effect}: {fault}": count for (effect, fault), count in result.done.items()}
    verdict = "\n".join(result.violations) or "every promise held"
    print(*result.story, result.scenario, met, verdict, sep="\n")  # noqa: T201 - it is what this program is for


def rules_of(asked: argparse.Namespace) -> Rules:
    """The rules that are asked for; a scenario has one fault, or none."""
    if asked.scenario is not None:
        return Rules(scenario=SCENARIOS[asked.scenario], single=asked.fault or Single.none())
    if asked.family is not None:
        return FAMILIES[asked.family]
    return EVERYTHING if asked.without is None else GUARDS[asked.without].rules


if __name__ == "__main__":
    main()
