"""Plays one schedule and prints all of it: python -m tests.chaos.replay SEED [--family NAME] [--without GUARD]."""

from __future__ import annotations

import argparse
from contextlib import nullcontext

from tests.support.chaos.broken_guards import GUARDS
from tests.support.chaos.rules import EVERYTHING, FAMILIES
from tests.support.chaos.schedules import play


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.replay", description="Play one schedule and print it.")
    parser.add_argument("seed", type=int)
    parser.add_argument("--family", choices=FAMILIES, help="the rules of its suite")
    parser.add_argument("--without", choices=GUARDS, metavar="GUARD", help=f"one of: {', '.join(GUARDS)}")
    asked = parser.parse_args()
    guard = GUARDS.get(asked.without)
    rules = FAMILIES[asked.family] if asked.family else EVERYTHING if guard is None else guard.rules
    with nullcontext() if guard is None else guard.broken():
        result = play(asked.seed, rules, traced=True)
    met = {f"{effect}: {fault}": count for (effect, fault), count in result.done.items()}
    verdict = "\n".join(result.violations) or "every promise held"
    print(*result.story, result.scenario, met, verdict, sep="\n")  # noqa: T201 - it is what this program is for


if __name__ == "__main__":
    main()
