"""The command that plays a schedule again and tells it."""

from __future__ import annotations

import shlex

from tests.support.chaos.handmade_scenarios import SCENARIOS
from tests.support.chaos.rules import FAMILIES, Rules


def replay_command(seed: int, rules: Rules, *, without: str | None = None) -> str:
    """The whole command, for a schedule under rules that have a name, or without a guard, whose rules go with it."""
    words = ["python", "-m", "tests.chaos.replay", str(seed)]
    if without is not None:
        return shlex.join([*words, "--without", without])
    words += [word for name, family in FAMILIES.items() if family == rules for word in ("--family", name)]
    words += [word for name, scene in SCENARIOS.items() if scene == rules.scenario for word in ("--scenario", name)]
    if rules.single is not None:
        words += ["--fault", str(rules.single)]
    return shlex.join(words)
