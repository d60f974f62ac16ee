"""The journal of a node run: what must not happen again, recorded as it happens.

A response is recorded before its tools start, each tool result by itself; a tool whose effect happens once records an
intent first. Whoever takes the node over goes on from here.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from shared.domain.decisions import Decision
from shared.domain.ids import Instance, RunId
from shared.domain.large_values import ValueFile
from shared.domain.records import from_json, parse, render, to_json
from shared.domain.tools import Attachment, ToolCall, ToolResult
from shared.domain.usage import NO_USAGE, Usage
from shared.domain.writes import Create

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True, slots=True)
class Journal:
    """What earlier attempts recorded.

    Args:
        messages: the turn's model messages up to the last recorded response.
        said: the texts of the recorded responses that have one.
        steps: how many responses are recorded.
        results: results of tool calls, by journal id.
        intents: how often calls may have happened, by journal id.
        decisions: what people said, by journal id.
    """

    messages: tuple[str, ...] = ()
    steps: int = 0
    said: tuple[str, ...] = ()
    usage: Usage = NO_USAGE
    results: Mapping[str, ToolResult] = field(default_factory=dict[str, ToolResult])
    intents: Mapping[str, int] = field(default_factory=dict[str, int])
    decisions: Mapping[str, Decision] = field(default_factory=dict[str, Decision])


def journal_path(run_id: RunId, instance: Instance) -> str:
    """The collection of a node run's journal."""
    return f"runs/{run_id}/nodes/{instance}/journal"


def response_id(step: int) -> str:
    """The id of a response's entry."""
    return f"{step:04}"


def result_id(call: ToolCall) -> str:
    """The id of a tool result's entry; a call id that a document id cannot hold is hashed."""
    plain = _PLAIN.fullmatch(call.call_id)
    name = call.call_id if plain else hashlib.sha256(call.call_id.encode()).hexdigest()[:32]
    return f"{call.step:04}-{name}"


def intent_id(call: ToolCall, earlier: int = 0) -> str:
    """The id of an intent's entry; `earlier` calls may have happened before."""
    return f"{result_id(call)}!" if earlier == 0 else f"{result_id(call)}!{earlier + 1}"


def decision_id(call: ToolCall, earlier: int = 0) -> str:
    """The id of a decision's entry: on the call itself, or on one of which `earlier` tries may have happened."""
    return f"{result_id(call)}?" if earlier == 0 else f"{result_id(call)}?{earlier}"


def record_response(journal: str, step: int, messages: Iterable[str], text: str, usage: Usage) -> Create:
    """The write that records a response, below the collection `journal`."""
    fields = {"kind": "response", "step": step, "messages": list(messages), "text": text, "usage": render(usage)}
    return Create(f"{journal}/{response_id(step)}", fields)


def record_result(journal: str, call: ToolCall, result: ToolResult, usage: Usage) -> Create:
    """The write that records a tool result, and what models consumed for it."""
    fields = {
        "kind": "result",
        "content_json": None if result.file else to_json(result.content),
        "content_file": None if result.file is None else render(result.file),
        "is_error": result.is_error,
        "attachments": [render(attachment) for attachment in result.attachments],
        "usage": render(usage),
    }
    return Create(f"{journal}/{result_id(call)}", fields)


def record_intent(journal: str, call: ToolCall, earlier: int = 0) -> Create:
    """The write that records that a call may happen from now on."""
    return Create(f"{journal}/{intent_id(call, earlier)}", {"kind": "intent", "name": call.name})


Entries: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The fields of a journal's entries, by id."""


def read_journal(entries: Entries, earlier: Entries | None = None) -> Journal:
    """The journal of its entries, and of those of `earlier` runs that go on, whose usage does not count again."""
    inherited = _inherited(earlier or {})
    journal = _read(sorted({**inherited, **entries}.items()))
    return replace(journal, usage=_read(entries.items()).usage) if inherited else journal


def _inherited(entries: Entries) -> Entries:
    """What holds of the journal of a run that failed: what was refused, and calls that failed, may be tried again."""
    failed = {entry for entry, fields in entries.items() if fields["kind"] == "result" and fields["is_error"]}
    return {
        entry: fields
        for entry, fields in entries.items()
        if entry.partition("!")[0] not in failed and fields.get("verdict") != "deny"
    }


def _read(entries: Iterable[tuple[str, Mapping[str, Any]]]) -> Journal:
    messages: list[str] = []
    said: list[str] = []
    steps = 0
    usage = NO_USAGE
    results: dict[str, ToolResult] = {}
    intents: dict[str, int] = {}
    decisions: dict[str, Decision] = {}
    for entry_id, fields in entries:
        match fields["kind"]:
            case "response":
                messages.extend(fields["messages"])
                said += filter(None, [fields["text"]])
                steps += 1
                usage += parse(Usage, fields["usage"])
            case "result":
                results[entry_id] = _result(fields)
                usage += parse(Usage, fields["usage"]) + Usage(tool_calls=1)
            case "decision":
                decisions[entry_id] = Decision.read(fields)
            case _:
                key = entry_id.partition("!")[0]
                intents[key] = intents.get(key, 0) + 1
    return Journal(tuple(messages), steps, tuple(said), usage, results, intents, decisions)


def _result(fields: Mapping[str, Any]) -> ToolResult:
    shown = tuple(parse(Attachment, attachment) for attachment in fields.get("attachments", ()))
    kept = fields.get("content_file")
    file = None if kept is None else parse(ValueFile, kept)
    return ToolResult(from_json(fields["content_json"]), fields["is_error"], shown, file=file)
