"""What a node draws is accounted for, also when a call comes to nothing or a draw is broken off in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.budgets import Amount, Budget, Fund, run_fund
from shared.domain.errors import (
    BudgetExceeded,
    DeadlineExceeded,
    DomainError,
    FailedPrecondition,
    ModelUnavailable,
    Unavailable,
)
from shared.domain.ids import Instance, RunId, Token
from shared.domain.nodes import lease_path, node_path
from shared.domain.usage import Usage
from shared.domain.writes import Create, Write
from shared.ports.agent_runner import AgentTurn, Forecast
from shared.usecases.nodes.attempt import Attempt
from shared.usecases.nodes.purse import BudgetHeld, Purse
from tests.support.engine_rig import ANN, LEASE_SECONDS, EngineRig
from tests.support.scripted_runner import COST, ScriptedRunner, Step

RUN, MAIN = RunId("r"), Instance("main~0")
TOKENS = COST.input_tokens + COST.output_tokens


class Broken:
    """A model that is down in the first attempts, before or after it has said something."""

    def __init__(self, *, times: int, after: str = "") -> None:
        self.left = times
        self.after = after

    def script(self, _: AgentTurn) -> list[Step]:
        return [Step((self.after,) if self.left and self.after else (), before_end=self._fail), Step(("done",))][
            0 if self.left else 1 :
        ]

    def _fail(self) -> None:
        if self.left:
            self.left -= 1
            raise ModelUnavailable("the model is down")


async def opened(rig: EngineRig, **limits: int) -> tuple[Purse, Fund]:
    """The purse of a claimed node in a run with a budget."""
    writes: list[Write] = [
        Create(node_path(RUN, MAIN), {"token": "t", "state": "running", "held": None}),
        Create(lease_path(RUN, MAIN, 1), {"token": "t", "cancel": 0}),
    ]
    await rig.documents.commit(writes)
    attempt = Attempt(
        rig.core,
        run_id=RUN,
        instance=MAIN,
        number=1,
        token=Token("t"),
        lease_seconds=LEASE_SECONDS,
        sent=rig.clock.monotonic(),
    )
    fund = run_fund(RUN, ANN, Budget(**limits))
    return Purse(rig.core, attempt, (fund,)), fund


async def ledger(rig: EngineRig, fund: Fund) -> dict[str, Any]:
    return dict((await rig.documents.get(fund.ledger)).fields or {})


async def give_up(rig: EngineRig, purse: Purse) -> None:
    await rig.documents.commit(await purse.closing({"state": "succeeded"}))


@pytest.mark.parametrize(("after", "tokens"), [("", TOKENS), ("I thi", 3 * TOKENS)])
async def test_a_call_that_failed_counts_in_full_only_if_the_model_had_begun_to_answer(after: str, tokens: int) -> None:
    broken = Broken(times=2, after=after)
    rig = EngineRig(ScriptedRunner(broken.script, forecast=Forecast(TOKENS, 7)))
    agent = await rig.make_agent(budget={"tokens": 1000})
    run = (await rig.start(agent)).run
    while rig.queue.pending:
        await rig.queue.deliver_next(rig.deliver)
        await rig.clock.advance(3)
    found = dict((await rig.documents.get(f"runs/{run.id}/ledgers/budget")).fields)
    assert (found["tokens"], found["granted_tokens"], found["calls"]) == (tokens, tokens, 3)


async def test_a_call_whose_cost_is_not_told_costs_what_was_set_aside() -> None:
    rig = EngineRig()
    purse, fund = await opened(rig, cost_usd_micros=100)
    await purse.reserve("me", Forecast(10, 30))
    purse.settle("me", Usage(requests=1, input_tokens=10, cost_usd_micros=None))
    await give_up(rig, purse)
    assert (await ledger(rig, fund))["cost_usd_micros"] == 30
    with pytest.raises(FailedPrecondition):
        await purse.reserve("me", Forecast(10, None))


@pytest.mark.parametrize(
    ("error", "tokens"),
    [(ModelUnavailable("the model is down"), 0), (DeadlineExceeded("too long"), 10), (Unavailable("no store"), 10)],
)
async def test_a_call_that_something_else_stopped_counts_in_full(error: DomainError, tokens: int) -> None:
    rig = EngineRig()
    purse, fund = await opened(rig, tokens=100)
    await purse.reserve("me", Forecast(10, 0))
    purse.drop_failed(error)
    await give_up(rig, purse)
    found = await ledger(rig, fund)
    assert (found["tokens"], found["granted_tokens"], found["calls"]) == (tokens, tokens, 1)


async def test_what_was_never_set_aside_is_not_counted() -> None:
    rig = EngineRig()
    purse, fund = await opened(rig, calls=5)
    purse.settle("nobody", COST)
    purse.note_answer("nobody")
    await give_up(rig, purse)
    assert await ledger(rig, fund) == {}


async def test_one_waits_for_another_of_the_same_node_to_leave_something() -> None:
    rig = EngineRig()
    purse, fund = await opened(rig, tokens=100)
    await purse.reserve("first", Forecast(80, 0))
    waiting = asyncio.ensure_future(purse.reserve("second", Forecast(40, 0)))
    await rig.clock.advance(1)
    assert not waiting.done()
    purse.settle("first", Usage(requests=1, input_tokens=50))
    await waiting
    purse.settle("second", Usage(requests=1, input_tokens=40))
    await give_up(rig, purse)
    found = await ledger(rig, fund)
    assert (found["tokens"], found["granted_tokens"]) == (90, 90)


async def test_what_another_node_holds_may_come_back_and_what_it_spent_does_not() -> None:
    rig = EngineRig()
    purse, fund = await opened(rig, calls=2)
    await rig.documents.commit([fund.draw("", Amount(calls=2))])
    with pytest.raises(BudgetHeld) as held:
        await purse.reserve("me", Forecast())
    assert held.value.pause.total_seconds() > 0
    await give_up(rig, purse)
    await rig.documents.commit([fund.close("", Amount(calls=2), Amount(calls=2))])
    late = Purse(rig.core, purse.attempt, purse.funds)
    with pytest.raises(BudgetExceeded):
        await late.reserve("me", Forecast())


@pytest.mark.parametrize("applied", [True, False])
async def test_a_draw_that_is_broken_off_is_given_back_whatever_became_of_it(*, applied: bool) -> None:
    rig = EngineRig()
    inner, sent, go_on = rig.documents.commit, asyncio.Event(), asyncio.Event()

    async def commit(writes: Any) -> Any:
        if not any("ledgers" in write.path for write in writes) or sent.is_set():
            return await inner(writes)
        sent.set()
        await go_on.wait()
        if applied:
            return await inner(writes)
        raise TimeoutError

    purse, fund = await opened(rig, calls=100)
    replaced: Callable[..., Any] = commit
    rig.documents.commit = replaced
    drawing = asyncio.ensure_future(purse.reserve("me", Forecast()))
    await sent.wait()
    drawing.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await drawing
    await give_up(rig, purse)
    found = await ledger(rig, fund)
    assert found.get("granted_calls", 0) == found.get("calls", 0) == 0
    assert (await rig.documents.get(purse.attempt.path)).fields["held"] is None
