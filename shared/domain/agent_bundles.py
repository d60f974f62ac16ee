"""An agent with all that it needs elsewhere: the agents that its graph refers to, and the documents that it searches.

In a bundle nothing has an id of its own deployment: agents and collections are referred to by the names that they have
there. What the bundle does not hold is referred to as before.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple, TypeAlias, cast

from shared.domain.written_definitions import fields_of, items_of, parts_in

Raw: TypeAlias = Mapping[str, Any]

MAX_AGENTS = 50
MAX_COLLECTIONS = 20
MAX_DOCUMENTS = 500
MAX_BUNDLE_BYTES = 24 << 20
"""All documents and definitions together; a request holds 32 MiB. Source: https://cloud.google.com/run/quotas"""

_KNOWLEDGE = "knowledge"
_OWNERS = ("scope", "permissions")


class AgentRef(NamedTuple):
    """How a node refers to an agent that is kept on its own; no version means the latest."""

    id: str
    version: int | str | None = None


@dataclass(frozen=True, slots=True)
class BundledDocument:
    """A document of a collection.

    Args:
        name: a relative path.
        mime_type: its media type; None to detect it.
    """

    name: str
    content: bytes
    mime_type: str | None = None


@dataclass(frozen=True, slots=True)
class BundledCollection:
    """A collection of knowledge, with its documents by name."""

    description: str = ""
    documents: tuple[BundledDocument, ...] = ()


@dataclass(frozen=True, slots=True)
class Bundle:
    """An agent and what belongs to it.

    Args:
        agent: its definition.
        agents: those that it and they refer to, by name.
        knowledge: the collections that they search, by name.
    """

    agent: Raw
    agents: Mapping[str, Raw] = field(default_factory=dict[str, Raw])
    knowledge: Mapping[str, BundledCollection] = field(default_factory=dict[str, BundledCollection])

    @property
    def definitions(self) -> Sequence[Raw]:
        """Every definition."""
        return [self.agent, *self.agents.values()]


def collections_in(raw: Raw) -> tuple[str, ...]:
    """The collections that a definition searches, each once, as it names them."""
    return tuple(dict.fromkeys(name for names in _collection_lists(raw) for name in names if isinstance(name, str)))


def agents_in(raw: Raw) -> tuple[AgentRef, ...]:
    """The agents kept on their own that a definition refers to, each once."""
    return tuple(dict.fromkeys(_ref(fields) for fields in _agent_refs(raw)))


def referring(raw: Raw, agents: Mapping[AgentRef, AgentRef], collections: Mapping[str, str]) -> dict[str, Any]:
    """The definition with other references; those that are not given stay as they are."""
    changed = copy.deepcopy(dict(raw))
    for names in _collection_lists(changed):
        names[:] = [collections.get(name, name) if isinstance(name, str) else name for name in names]
    for fields in list(_agent_refs(changed)):
        if (meant := agents.get(_ref(fields))) is not None:
            fields.clear()
            fields.update({"id": meant.id} if meant.version is None else {"id": meant.id, "version": meant.version})
    return changed


def without_owner(raw: Raw) -> dict[str, Any]:
    """The definition without what concerns its owner: who else may see it."""
    return {key: value for key, value in raw.items() if key not in _OWNERS}


def free_name(name: str, taken: Mapping[str, Any] | Sequence[str]) -> str:
    """The name, or with a number the first that is not taken."""
    if name not in taken:
        return name
    return next(one for n in range(2, len(taken) + 3) if (one := f"{name[:60]}_{n}") not in taken)


def in_order(agents: Mapping[str, Raw]) -> tuple[str, ...]:
    """The names of a bundle's agents, those that others refer to first.

    Raises:
        ValueError: they refer to each other in a circle, which the message tells.
    """
    refers = {name: [ref.id for ref in agents_in(raw) if ref.id in agents] for name, raw in agents.items()}
    try:
        return tuple(TopologicalSorter(refers).static_order())
    except CycleError as error:
        circle = " → ".join(reversed(cast("list[str]", error.args[1])))
        raise ValueError(f"the agents refer to each other in a circle: {circle}") from None


def _ref(fields: Mapping[str, Any]) -> AgentRef:
    return AgentRef(fields["id"], fields.get("version"))


def _agent_refs(raw: Raw) -> Iterator[dict[str, Any]]:
    for _, part in parts_in("", raw):
        kept = part.get("agent")
        if part.get("kind") == "agent" and isinstance(kept, dict) and isinstance(kept.get("id"), str):  # pyright: ignore[reportUnknownMemberType] - an author's own text
            yield cast("dict[str, Any]", kept)


def _collection_lists(raw: Raw) -> Iterator[list[Any]]:
    for _, part in parts_in("", raw):
        searching = [use for use in map(fields_of, items_of(part.get("tools"))) if use.get("name") == _KNOWLEDGE]
        if part.get("kind") == "tool" and part.get("tool") == _KNOWLEDGE:
            searching.append(part)
        for use in searching:
            names = fields_of(use.get("config")).get("collections")
            if isinstance(names, list):
                yield cast("list[Any]", names)
