"""Drawing on ledgers, judged without effects."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from shared.domain.budgets import (
    CALLS_AT_ONCE,
    NAMES,
    Amount,
    Budget,
    Fund,
    FundKind,
    chunk,
    day_fund,
    grant_fund,
    own_budget,
    person_fund,
    run_fund,
    tightest,
)
from shared.domain.definition_faults import inspect_definition
from shared.domain.definitions import RunBudget
from shared.domain.errors import BudgetExceeded, LimitReached, QuotaExceeded
from shared.domain.ids import AgentId, RunId, Uid
from shared.domain.writes import Increment

ANN = Uid("ann")
PAGE = Path(__file__).parents[3] / "docs/limits.md"


def run_of(**limits: int) -> Fund:
    return run_fund(RunId("r"), ANN, Budget(**limits))


@pytest.mark.parametrize(
    ("limits", "needed", "left", "drawn"),
    [
        ({"calls": 1000}, Amount(calls=1), Amount(), Amount(calls=CALLS_AT_ONCE)),
        ({"calls": 1000}, Amount(calls=1), Amount(calls=3), Amount(calls=5)),
        ({"calls": 64}, Amount(calls=1), Amount(), Amount(calls=4)),
        ({"calls": 10}, Amount(calls=1), Amount(), Amount(calls=1)),
        ({"tokens": 100}, Amount(1, 60), Amount(), Amount(tokens=60)),
        ({"tokens": 100_000}, Amount(1, 60), Amount(), Amount(tokens=480)),
        ({"calls": 1000}, Amount(tokens=60), Amount(), Amount()),
        ({"places": 500}, Amount(places=1), Amount(), Amount(places=1)),
        ({"calls": 1000}, Amount(calls=1), Amount(calls=20), Amount()),
    ],
)
def test_a_chunk_is_for_some_calls_and_leaves_most_to_others(
    limits: dict[str, int], needed: Amount, left: Amount, drawn: Amount
) -> None:
    assert chunk([run_of(**limits)], needed, left) == drawn


@pytest.mark.parametrize(("granted", "usable"), [(8, 8), (10, 8), (12, 6), (17, 1), (18, 0), (40, 0)])
def test_only_what_the_sum_leaves_below_the_limit_is_used(granted: int, usable: int) -> None:
    assert run_of(calls=10).usable({"granted_calls": granted}, Amount(calls=8)) == {"calls": usable}


@pytest.mark.parametrize(
    ("fund", "code", "told"),
    [
        (run_of(calls=3), BudgetExceeded, "run's budget of 3 model calls, of which 3 model calls are used"),
        (day_fund(ANN, Budget(calls=3)), QuotaExceeded, "day's 3 model calls"),
        (grant_fund(AgentId("a"), ANN, ANN, Budget(calls=3)), QuotaExceeded, "that the grant allows"),
    ],
)
def test_what_is_spent_refuses_for_good_and_says_whose_limit_it_is(
    fund: Fund, code: type[LimitReached], told: str
) -> None:
    fund.check({"calls": 2, "granted_calls": 90}, Amount(calls=1))
    with pytest.raises(code, match=told):
        fund.check({"calls": 3}, Amount(calls=1))


def test_money_is_told_in_dollars() -> None:
    with pytest.raises(BudgetExceeded, match=r"\$0\.5, of which \$0\.25 are used"):
        run_of(cost_usd_micros=500_000).check({"cost_usd_micros": 250_000}, Amount(cost_usd_micros=250_001))


def test_a_draw_and_its_close_leave_what_was_used() -> None:
    fund = day_fund(ANN, Budget(calls=50))
    drawn, closed = fund.draw("2026-01-01", Amount(8, 100)), fund.close("2026-01-01", Amount(8, 100), Amount(3, 70, 9))
    assert drawn.path == closed.path == "usage/ann/days/2026-01-01"
    assert drawn.fields["granted_calls"] == Increment(8)
    assert closed.fields["granted_calls"] == Increment(-5)
    assert (closed.fields["calls"], closed.fields["tokens"]) == (Increment(3), Increment(70))
    assert "granted_tokens" not in drawn.fields
    assert drawn.fields["limit_calls"] == 50


def test_of_several_limits_the_tightest_holds() -> None:
    funds = (run_of(calls=9, tokens=5), person_fund(ANN, Budget(calls=4, places=2)))
    assert tightest(funds) == Budget(calls=4, tokens=5, places=2)
    assert own_budget(funds) == Budget(calls=9, tokens=5)
    assert own_budget(()) == Budget()
    assert [fund.is_daily for fund in funds] == [False, False]
    assert funds[1].kind is FundKind.PERSON


def test_the_page_shows_every_limit_of_a_run() -> None:
    (example,) = (part.split("```")[0] for part in PAGE.read_text("utf-8").split("```yaml\n")[1:])
    fields = yaml.safe_load(example)
    assert set(fields["budget"]) == set(RunBudget.model_fields)
    definition, faults = inspect_definition({"name": "a", "model": "local:extractive", **fields})
    assert faults == ()
    assert definition is not None
    assert all(definition.budget.of_run.limit(name) for name in NAMES)
