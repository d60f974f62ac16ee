"""Conditions of authors: what they are worth, and that none takes longer, or more memory, than it may."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.cel.conditions import WORK_SECONDS, CelConditions, is_quick
from shared.domain.errors import FailedPrecondition
from shared.processes.limited_process import MEMORY_BYTES

CONDITIONS = CelConditions()
SCOPE: dict[str, Any] = {"input": {"n": 3, "words": ["ant", "bee"], "many": list(range(400)), "text": "x" * 200_000}}
TWENTY = "[" + ",".join("0123456789" * 2) + "]"
NESTED = f"{TWENTY}.all(a, {TWENTY}.all(b, {TWENTY}.all(c, {TWENTY}.all(d, {TWENTY}.all(e, {TWENTY}.all(f, f<99))))))"
HOSTILE = {
    "macros in macros over literal lists": NESTED,
    "macros in macros over the scope": "input.many.all(a, input.many.all(b, input.many.all(c, a + b + c >= 0)))",
    "lists that are added up in a macro": f"input.many.map(a, {' + '.join(['input.many'] * 200)}).size() > 0",
}


@pytest.mark.parametrize(
    ("condition", "quick", "worth"),
    [
        ("input.n > 2", True, True),
        ("input.n + 1 > 4", True, False),
        ("'bee' in input.words", True, True),
        ("input.words.all(w, w.size() == 3)", False, True),
        ("input.words.exists(w, w == 'cat')", False, False),
        (" + ".join(["1"] * 12) + " == 12", False, True),
        ("size(input.text.matches('^x*$') ? 'yes' : 'no') == 3", True, True),
    ],
)
async def test_a_condition_is_worth_the_same_wherever_it_is_evaluated(condition: str, quick: bool, worth: bool) -> None:  # noqa: FBT001
    assert is_quick(condition) is quick
    assert await CONDITIONS.holds(condition, SCOPE) is worth
    assert await CONDITIONS.misfit(condition, SCOPE) is None


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ("input.words.all(w, w > 2)", "cannot be evaluated"),
        ("input.nothing == 1", "cannot be evaluated: there is no 'nothing'"),
        ("input.text", "yields string, not true or false"),
        ("input", "yields map, not true or false"),
        ("null", "yields null, not true or false"),
        ("input.words.map(w, w.size())", "yields list, not true or false"),
        ("input.n", "yields int, not true or false"),
    ],
)
async def test_what_is_neither_true_nor_false_is_refused_with_the_reason(condition: str, reason: str) -> None:
    with pytest.raises(FailedPrecondition, match=reason):
        await CONDITIONS.holds(condition, SCOPE)


@pytest.mark.parametrize("kind", HOSTILE)
async def test_a_condition_made_to_hang_is_stopped_and_holds_nobody_up(kind: str) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.01)
            ticks += 1

    ticking = asyncio.ensure_future(tick())
    with pytest.raises(FailedPrecondition, match="takes more than 2 seconds, or too much memory"):
        await CONDITIONS.holds(HOSTILE[kind], SCOPE)
    assert "takes more than 2 seconds" in str(await CONDITIONS.misfit(HOSTILE[kind], SCOPE))
    ticking.cancel()
    assert ticks > 10


def test_the_page_says_which_conditions_have_a_process_of_their_own_and_its_limits() -> None:
    page = " ".join((Path(__file__).parents[4] / "docs/graphs.md").read_text().split())
    for name in ("all", "exists", "exists_one", "map", "filter"):
        assert not is_quick(f"input.words.{name}(w, w)")
        assert f"`{name}`" in page
    most = next(n for n in range(100) if not is_quick("+".join("1" * (n + 2))))
    assert f"more than {most} `+` is evaluated in a process of its own" in page
    assert f"{WORK_SECONDS} seconds of processor time and {MEMORY_BYTES >> 20} MiB" in page
