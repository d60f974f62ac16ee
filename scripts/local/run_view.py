"""What a listener knows of a run and of a session: documents in, one picture out. `web/run_view.js` is its twin."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.domain.stream_merge import StreamMerge

_ENDED = frozenset({"succeeded", "failed", "skipped", "cancelled"})


@dataclass(slots=True)
class NodeView:
    """One node of a run: its document's fields (none before it arrived) and its live output."""

    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stream: StreamMerge = field(default_factory=StreamMerge)

    @property
    def state(self) -> str:
        """The node's state; `pending` while there is no document."""
        return str(self.fields.get("state", "pending"))

    @property
    def text(self) -> str:
        """What there is to show: the output, or what was said so far.

        Of an output in a file that is its beginning, as far as it is known, and the file's name; where nothing was
        heard, what the document keeps.
        """
        kept: str = self.fields.get("text") or ""
        file = self.fields.get("output_file") if self.state == "succeeded" else None
        if file is not None:
            return "\n".join(filter(None, (kept or self.stream.heard, file["name"])))
        return self.stream.text or kept

    def take(self, fields: Mapping[str, Any]) -> None:
        """Take in the node's document."""
        self.fields = fields
        if self.state == "succeeded":
            self.stream.end(text_of(fields.get("output_json")))

    def take_segments(self, segments: Mapping[str, Mapping[str, Any]]) -> None:
        """Take in segments of its live output."""
        for segment in segments.values():
            self.stream.add(segment)


@dataclass(slots=True)
class RunView:
    """A run: its document's fields, and its nodes by instance; `listed` once all nodes so far were heard of."""

    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    nodes: dict[str, NodeView] = field(default_factory=dict[str, NodeView])
    listed: bool = False

    @property
    def state(self) -> str:
        """The run's state; `queued` while there is no document."""
        return str(self.fields.get("state", "queued"))

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.state in _ENDED

    @property
    def whole(self) -> bool:
        """Whether the run has ended and its nodes' ends are here too: nothing comes after this."""
        return self.ended and self.listed and all(node.state in _ENDED for node in self.nodes.values())

    @property
    def may_lack(self) -> bool:
        """Whether there may be nodes of a run that ended of which nothing was heard.

        All but a graph end with their one node.
        """
        return self.fields.get("shape") == "graph" or not self.nodes or not self.whole

    def node(self, instance: str) -> NodeView:
        """The node of that instance."""
        return self.nodes.setdefault(instance, NodeView())

    def settle(self, event: Mapping[str, Any]) -> None:
        """Take in a session's event: an agent's replaces the segments that its metadata names."""
        metadata = event["metadata"]
        if event["author"] == "agent" and "instance" in metadata and "step" in metadata:
            stream = self.node(metadata["instance"]).stream
            stream.settle(metadata["step"], event["content"].get("text", ""))


@dataclass(slots=True)
class SessionView:
    """A session: its log by number, and the run whose turn is not complete."""

    events: dict[int, Mapping[str, Any]] = field(default_factory=dict[int, Mapping[str, Any]])
    run_id: str | None = None
    run: RunView = field(default_factory=RunView)
    _by_run: dict[str, dict[int, Mapping[str, Any]]] = field(default_factory=dict[str, dict[int, Mapping[str, Any]]])
    _last: int = 0

    @property
    def log(self) -> list[Mapping[str, Any]]:
        """The events in order."""
        return [self.events[seq] for seq in sorted(self.events)]

    @property
    def finished(self) -> bool:
        """Whether the last event completes a turn."""
        return bool(self.events) and bool(self.events[self._last]["turn_complete"])

    @property
    def live_text(self) -> str:
        """What the agent is saying now and no event holds yet."""
        own = [node for instance, node in self.run.nodes.items() if instance.startswith("main~")]
        return own[-1].stream.live if own else ""

    def take(self, event: Mapping[str, Any]) -> None:
        """Take in an event."""
        self.events[event["seq"]] = event
        self._by_run.setdefault(event["run_id"], {})[event["seq"]] = event
        self._last = max(self._last, event["seq"])
        last = self.events[self._last]
        active = None if last["turn_complete"] else last["run_id"]
        if active == self.run_id:
            if event["run_id"] == active:
                self.run.settle(event)
            return
        self.run_id, self.run = active, RunView()
        for known in self._by_run.get(active or "", {}).values():
            self.run.settle(known)


def text_of(output_json: str | None) -> str:
    """A node's output as text: a text itself, anything else as JSON."""
    output: Any = None if output_json is None else json.loads(output_json)
    return output if isinstance(output, str) else (output_json or "")
