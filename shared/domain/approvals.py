"""Approvals: what a run asks of people, by when, and what they said.

A node that needs a person's word waits: no process holds it, and it goes on when the last of its approvals is decided.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from shared.domain.decisions import Decision
from shared.domain.definition_schemas import value_faults
from shared.domain.errors import AlreadyDecided, InvalidArgument
from shared.domain.ids import AgentId, ApprovalId, Instance, RunId, SessionId, Uid
from shared.domain.journal import decision_id
from shared.domain.records import from_json, to_json
from shared.domain.tools import ToolCall
from shared.domain.writes import Create

KEPT_OPEN = timedelta(days=7)
"""How long a person has to answer where the definition does not say."""
MAX_MESSAGE_CHARACTERS = 20_000
MAX_ANSWER_CHARACTERS = 200_000


class ApprovalKind(StrEnum):
    """What is asked: whether a call may be made, a question, whether a graph may go on, or what a lost call came to."""

    TOOL_CALL = "tool_call"
    QUESTION = "question"
    NODE = "node"
    UNCERTAIN = "uncertain"


class ApprovalState(StrEnum):
    """Where an approval stands; `expired` took its default, `withdrawn` is of no use any more."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    ANSWERED = "answered"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


Verdict: TypeAlias = Literal["approve", "deny", "answer"]

VERDICTS: dict[ApprovalKind, frozenset[Verdict]] = {
    ApprovalKind.TOOL_CALL: frozenset({"approve", "deny"}),
    ApprovalKind.QUESTION: frozenset({"answer", "deny"}),
    ApprovalKind.NODE: frozenset({"approve", "deny"}),
    ApprovalKind.UNCERTAIN: frozenset({"approve", "answer", "deny"}),
}
"""What may be said to each kind. Of an uncertain call: it did not happen, so make it; what it came to; give up."""

_STATES: dict[Verdict, ApprovalState] = {
    "approve": ApprovalState.APPROVED,
    "deny": ApprovalState.DENIED,
    "answer": ApprovalState.ANSWERED,
}


@dataclass(frozen=True, slots=True)
class Terms:
    """Whom to ask, and what holds when nobody answers.

    Args:
        asked: who may answer; the run's owner if empty.
        expires_after: how long they have.
        default: the verdict after that.
        default_answer: with the verdict `answer`.
    """

    asked: tuple[Uid, ...] = ()
    expires_after: timedelta = KEPT_OPEN
    default: Verdict = "deny"
    default_answer: Any = None


@dataclass(frozen=True, slots=True)
class Request:
    """What a node asks.

    Args:
        kind: the kind of question.
        entry: the journal id under which the decision is recorded.
        message: what people read.
        tool: the tool that is to be called.
        call_id: the call.
        arguments: its arguments.
        schema: what arguments of the tool must fit, as JSON Schema.
    """

    kind: ApprovalKind
    entry: str
    message: str
    terms: Terms
    tool: str | None = None
    call_id: str | None = None
    arguments: Any = None
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Approval:
    """The document `approvals/{id}`, created by the commit with which its node begins to wait.

    Args:
        asked: who may answer.
        instance: the node whose journal the decision goes to; a delegate has one of its own.
        holder: the node that waits, and that is executed again.
        entry: id of the journal entry that records the decision.
        default: the verdict when nobody answers by `expires_at`.
        decided_by: who decided; None where the default did.
    """

    id: ApprovalId
    owner_uid: Uid
    asked: tuple[Uid, ...]
    run_id: RunId
    session_id: SessionId
    agent_id: AgentId
    instance: Instance
    holder: Instance
    entry: str
    kind: ApprovalKind
    message: str
    state: ApprovalState
    created_at: datetime
    expires_at: datetime
    default: Verdict
    default_answer_json: str | None = None
    tool: str | None = None
    call_id: str | None = None
    arguments_json: str | None = None
    arguments_schema_json: str | None = None
    edited_arguments_json: str | None = None
    answer_json: str | None = None
    reason: str | None = None
    decided_by: Uid | None = None
    decided_at: datetime | None = None

    @property
    def path(self) -> str:
        """Where the approval is stored."""
        return approval_path(self.id)

    @property
    def summary(self) -> dict[str, Any]:
        """What an event of the session tells of it."""
        return {
            "approval_id": self.id,
            "kind": self.kind,
            "message": self.message,
            "tool": self.tool,
            "call_id": self.call_id,
            "arguments_json": self.arguments_json,
        }

    def on_expiry(self) -> Decision:
        """What holds because nobody answered."""
        return Decision(self.default, answer=from_json(self.default_answer_json), reason="nobody answered in time")


def approval_path(approval_id: ApprovalId) -> str:
    """Where an approval is stored."""
    return f"approvals/{approval_id}"


def decided_fields(decision: Decision, by: Uid | None, at: datetime) -> dict[str, Any]:
    """The fields of an approval that is decided, by a person or by its default."""
    return {
        "state": ApprovalState.EXPIRED if by is None else _STATES[decision.verdict],
        "edited_arguments_json": None if decision.arguments is None else to_json(decision.arguments),
        "answer_json": to_json(decision.answer) if decision.verdict == "answer" else None,
        "reason": decision.reason,
        "decided_by": by,
        "decided_at": at,
    }


def check_decision(approval: Approval, decision: Decision) -> None:
    """Refuse what cannot be said to this approval.

    Raises:
        InvalidArgument: it cannot.
    """
    allowed = VERDICTS[approval.kind]
    if decision.verdict not in allowed:
        can = " or ".join(sorted(allowed))
        raise InvalidArgument(f"this approval is of the kind {approval.kind}: it takes {can}, not {decision.verdict}")
    if decision.arguments is not None and approval.kind is not ApprovalKind.TOOL_CALL:
        raise InvalidArgument(f"this approval is of the kind {approval.kind}: it has no arguments to edit")
    if decision.arguments is not None and approval.arguments_schema_json is not None:
        schema = from_json(approval.arguments_schema_json)
        if faults := value_faults("arguments", schema, decision.arguments):
            raise InvalidArgument(f"The arguments do not fit what {approval.tool} takes.", faults)
    if len(to_json(decision.arguments)) + len(to_json(decision.answer)) > MAX_ANSWER_CHARACTERS:
        raise InvalidArgument(f"the answer is longer than {MAX_ANSWER_CHARACTERS:,} characters")


def check_repeated(approval: Approval, decision: Decision, by: Uid | None) -> None:
    """Accept a decision that was made before by the same person; of any other, say that it comes too late.

    Raises:
        AlreadyDecided: the approval is decided otherwise, or withdrawn.
    """
    before = {name: getattr(approval, name) for name in decided_fields(decision, by, approval.created_at)}
    again = decided_fields(decision, by, approval.created_at) | {"decided_at": approval.decided_at}
    if before != again:
        raise AlreadyDecided(f"the approval is {approval.state} already")


def call_request(call: ToolCall, terms: Terms, schema: Mapping[str, Any]) -> Request:
    """May the call be made? Perhaps with other arguments, which must fit the schema."""
    return Request(
        kind=ApprovalKind.TOOL_CALL,
        entry=decision_id(call),
        message=f"May {call.name} be called?",
        terms=terms,
        tool=call.name,
        call_id=call.call_id,
        arguments=call.arguments,
        schema=schema,
    )


def question_request(call: ToolCall, terms: Terms) -> Request:
    """What an agent wants to know."""
    return Request(
        kind=ApprovalKind.QUESTION,
        entry=decision_id(call),
        message=str(call.arguments.get("question", ""))[:MAX_MESSAGE_CHARACTERS],
        terms=terms,
        tool=call.name,
        call_id=call.call_id,
        arguments=call.arguments,
    )


def node_request(message: str, terms: Terms) -> Request:
    """May the graph go on?"""
    entry = decision_id(ToolCall(0, "approval", "approval", {}))
    return Request(ApprovalKind.NODE, entry, message[:MAX_MESSAGE_CHARACTERS], terms)


def uncertain_request(call: ToolCall, earlier: int) -> Request:
    """Did the call happen, of which `earlier` tries ended without a record?"""
    return Request(
        kind=ApprovalKind.UNCERTAIN,
        entry=decision_id(call, earlier),
        message=(
            f"The worker stopped while it called {call.name}, which must not happen twice. "
            "Did it happen? Then answer with its result. If not, approve that it is called now; or deny, to give up."
        ),
        terms=Terms(),
        tool=call.name,
        call_id=call.call_id,
        arguments=call.arguments,
    )


def record_decision(journal: str, entry: str, decision: Decision) -> Create:
    """The write that records a decision where the node goes on from, below the collection `journal`."""
    return Create(f"{journal}/{entry}", {"kind": "decision", **decision.fields})
