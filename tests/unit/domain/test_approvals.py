"""What may be said to an approval, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.domain.approvals import (
    MAX_ANSWER_CHARACTERS,
    VERDICTS,
    Approval,
    ApprovalKind,
    ApprovalState,
    Verdict,
    check_decision,
    check_repeated,
    decided_fields,
    record_decision,
    uncertain_request,
)
from shared.domain.decisions import Decision
from shared.domain.errors import AlreadyDecided, InvalidArgument
from shared.domain.ids import AgentId, ApprovalId, Instance, RunId, SessionId, Uid
from shared.domain.journal import decision_id, read_journal, record_intent
from shared.domain.records import parse, render
from shared.domain.tools import ToolCall

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANN, BOB = Uid("ann"), Uid("bob")
CALL = ToolCall(2, "call-1", "wipe", {"all": True})
DECISIONS: dict[Verdict, Decision] = {
    "approve": Decision("approve"),
    "deny": Decision("deny", reason="no"),
    "answer": Decision("answer", answer={"a": [1]}),
}


def approval(kind: ApprovalKind = ApprovalKind.TOOL_CALL, **fields: Any) -> Approval:
    pending = Approval(
        id=ApprovalId("a"),
        owner_uid=ANN,
        asked=(ANN, BOB),
        run_id=RunId("r"),
        session_id=SessionId("s"),
        agent_id=AgentId("g"),
        instance=Instance("main~0"),
        holder=Instance("main~0"),
        entry=decision_id(CALL),
        kind=kind,
        message="May it?",
        state=ApprovalState.PENDING,
        created_at=NOW,
        expires_at=NOW + timedelta(days=7),
        default="deny",
    )
    return replace(pending, **fields)


def decided(decision: Decision, by: Uid | None = ANN) -> Approval:
    return approval(ApprovalKind.UNCERTAIN, **decided_fields(decision, by, NOW))


@pytest.mark.parametrize("kind", list(ApprovalKind))
@pytest.mark.parametrize("verdict", DECISIONS)
def test_each_kind_takes_its_own_verdicts(kind: ApprovalKind, verdict: Verdict) -> None:
    if verdict in VERDICTS[kind]:
        check_decision(approval(kind), DECISIONS[verdict])
        return
    with pytest.raises(InvalidArgument, match=f"not {verdict}"):
        check_decision(approval(kind), DECISIONS[verdict])


@pytest.mark.parametrize("kind", list(ApprovalKind))
def test_only_the_arguments_of_a_call_can_be_edited(kind: ApprovalKind) -> None:
    edited = Decision(next(iter(sorted(VERDICTS[kind]))), arguments={"all": False})
    if kind is ApprovalKind.TOOL_CALL:
        check_decision(approval(kind), edited)
        return
    with pytest.raises(InvalidArgument, match="no arguments"):
        check_decision(approval(kind), edited)


def test_an_answer_is_bounded() -> None:
    question = approval(ApprovalKind.QUESTION)
    check_decision(question, Decision("answer", answer="x" * (MAX_ANSWER_CHARACTERS - 10)))
    with pytest.raises(InvalidArgument, match="longer"):
        check_decision(question, Decision("answer", answer="x" * MAX_ANSWER_CHARACTERS))


@pytest.mark.parametrize(
    ("verdict", "by", "state"),
    [
        ("approve", ANN, ApprovalState.APPROVED),
        ("deny", ANN, ApprovalState.DENIED),
        ("answer", ANN, ApprovalState.ANSWERED),
        ("answer", None, ApprovalState.EXPIRED),
        ("deny", None, ApprovalState.EXPIRED),
    ],
)
def test_a_decision_is_kept_with_who_made_it(verdict: Verdict, by: Uid | None, state: ApprovalState) -> None:
    kept = decided(DECISIONS[verdict], by)
    assert (kept.state, kept.decided_by, kept.decided_at) == (state, by, NOW)
    assert kept.reason == DECISIONS[verdict].reason
    assert kept.answer_json == ('{"a":[1]}' if verdict == "answer" else None)
    assert parse(Approval, render(kept)) == kept


@pytest.mark.parametrize("verdict", DECISIONS)
def test_the_same_decision_may_be_said_again_and_no_other(verdict: Verdict) -> None:
    kept = decided(DECISIONS[verdict])
    check_repeated(kept, DECISIONS[verdict], ANN)
    others = [(DECISIONS[verdict], BOB), (DECISIONS[verdict], None), (Decision(verdict, reason="else"), ANN)]
    others += [(other, ANN) for name, other in DECISIONS.items() if name != verdict]
    for other, by in others:
        with pytest.raises(AlreadyDecided, match=str(kept.state)):
            check_repeated(kept, other, by)


@pytest.mark.parametrize("decision", [*DECISIONS.values(), Decision("approve", arguments={"all": False})])
def test_a_decision_comes_back_from_the_journal(decision: Decision) -> None:
    write = record_decision("j", decision_id(CALL), decision)
    journal = read_journal({write.path.removeprefix("j/"): write.fields})
    assert journal.decisions == {decision_id(CALL): decision}


def test_each_try_of_a_call_is_asked_about_apart() -> None:
    intents = [record_intent("j", CALL, earlier) for earlier in range(3)]
    journal = read_journal({write.path.removeprefix("j/"): write.fields for write in intents})
    assert list(journal.intents.values()) == [3]
    entries = {decision_id(CALL), *(uncertain_request(CALL, earlier).entry for earlier in (1, 2, 3))}
    assert len(entries) == 4


def test_what_nobody_answers_takes_its_default() -> None:
    assert approval().on_expiry() == Decision("deny", reason="nobody answered in time")
    asked = approval(ApprovalKind.QUESTION, default="answer", default_answer_json='"so"')
    assert asked.on_expiry() == Decision("answer", answer="so", reason="nobody answered in time")
