"""Make an agent of one's own of a bundle, with the agents that it refers to and the documents that it searches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from shared.domain.agent_bundles import AgentRef, Bundle, Raw, agents_in, collections_in, in_order, referring
from shared.domain.agents import Agent, AgentVersion, Proposal, definition_digest, definition_text
from shared.domain.definition_faults import parse_definition
from shared.domain.errors import AlreadyExists, Fault, InvalidArgument
from shared.domain.ids import AgentId
from shared.domain.kept_agents import references_in
from shared.domain.knowledge import CollectionId
from shared.domain.name_conflicts import OnConflict
from shared.ports.identity import Identity
from shared.usecases.agents.check_graph import check_graph, not_stored
from shared.usecases.agents.clone_agent import find_named, import_agent
from shared.usecases.agents.create_agent import check_scope
from shared.usecases.agents.get_agent import get_version
from shared.usecases.agents.shelf import Shelf
from shared.usecases.knowledge.bring_collection import Destination, bring_collection, find_destination
from shared.usecases.knowledge.library import Library


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a bundle.

    Args:
        agents: those that the agent refers to, by their names in the bundle.
        knowledge: the collections, by their names in the bundle.
    """

    agent: Agent
    version: AgentVersion
    agents: Mapping[str, Agent] = field(default_factory=dict[str, Agent])
    knowledge: Mapping[str, CollectionId] = field(default_factory=dict[str, CollectionId])


async def import_bundle(
    shelf: Shelf, library: Library, caller: Identity, bundle: Bundle, on_conflict: OnConflict = "refuse"
) -> Imported:
    """Make everything in a bundle the caller's own: what others refer to first, the agent last.

    Agents and collections that the caller has already, with the same content, are used as they are. All that can be
    refused is refused before anything is stored; after a failure the same import goes on where it stopped.

    Raises:
        InvalidArgument: with everything that is wrong with the bundle.
        PermissionDenied: a definition asks for the scope `system`, and the caller is no administrator.
        AlreadyExists: the caller has something else of a name in the bundle, and `on_conflict` is `refuse`.
        Unavailable: the store or the queue does not answer; part of the bundle may have been stored.
    """
    order = _check(shelf, caller, bundle)
    await _check_graphs(shelf, caller, bundle, on_conflict)
    destinations = {
        name: await find_destination(library, caller.uid, name, bundled, on_conflict)
        for name, bundled in bundle.knowledge.items()
    }
    importing = _Importing(shelf, caller, bundle, {name: one.name for name, one in destinations.items()}, on_conflict)
    await importing.look(order)
    knowledge = await _bring(library, caller, bundle, destinations)
    for name in order:
        await importing.bring(name)
    agent, version = await importing.store(bundle.agent)
    return Imported(agent, version, {name: importing.agents[name][0] for name in bundle.agents}, knowledge)


async def _bring(
    library: Library, caller: Identity, bundle: Bundle, destinations: Mapping[str, Destination]
) -> dict[str, CollectionId]:
    return {
        name: (await bring_collection(library, caller.uid, destinations[name], bundled)).id
        for name, bundled in bundle.knowledge.items()
    }


def _check(shelf: Shelf, caller: Identity, bundle: Bundle) -> tuple[str, ...]:
    """The order in which the bundle's agents can be made."""
    try:
        order = in_order(bundle.agents)
    except ValueError as error:
        raise InvalidArgument("The file cannot be imported.", (Fault("agents", str(error)),)) from None
    if faults := tuple(_idle(bundle)):
        raise InvalidArgument("The file holds what its agent has no use for.", faults)
    for raw in bundle.definitions:
        definition = parse_definition(raw)
        check_scope(caller, Proposal(definition, raw))
        shelf.models.check(definition)
    return order


async def _check_graphs(shelf: Shelf, caller: Identity, bundle: Bundle, on_conflict: OnConflict) -> None:
    """Refuse what would be refused of a graph once all that it refers to in the bundle was stored."""
    if not bundle.agents and not bundle.knowledge:
        return  # nothing is stored before the agent, which is checked where that is done
    definitions = {name: parse_definition(raw) for name, raw in bundle.agents.items()}
    definition = parse_definition(bundle.agent)
    parts = {"": definition} | {f"{_file_of(name)}: ": one for name, one in definitions.items()}
    coming = {
        reference: not_stored(AgentId(reference.id), caller, definitions[reference.id])
        for definition in parts.values()
        for _, reference in references_in(definition)
        if reference.id in definitions
    }
    faults = [
        Fault(f"{_file_of(name)}: parameters", "make a template, which no graph runs")
        for name, definition in definitions.items()
        if definition.parameters is not None
    ]
    if faults:
        raise InvalidArgument("The file cannot be imported.", tuple(faults))
    for beginning, definition in parts.items():
        existing = await find_named(shelf, caller, definition.name) if on_conflict == "version" else None
        try:
            await check_graph(shelf, caller, definition, None if existing is None else existing.id, coming)
        except InvalidArgument as error:
            faults = [replace(fault, path=f"{beginning}{fault.path}") for fault in error.faults]
            raise InvalidArgument(error.message, tuple(faults)) from None


def _file_of(name: str) -> str:
    """What the definition of an agent that others refer to is called in an archive."""
    return f"agents/{name}.yaml"


def _idle(bundle: Bundle) -> Iterator[Fault]:
    """What is in a bundle, and is referred to by nothing in it."""
    reached: set[str] = set()
    waiting: list[Raw] = [bundle.agent]
    searched: set[str] = set()
    while waiting:
        raw = waiting.pop()
        searched.update(collections_in(raw))
        new = {ref.id for ref in agents_in(raw) if ref.id in bundle.agents} - reached
        reached |= new
        waiting += [bundle.agents[name] for name in new]
    for name in bundle.agents:
        if name not in reached:
            yield Fault(_file_of(name), "no agent of the file refers to it")
    for name in bundle.knowledge:
        if name not in searched:
            yield Fault(f"knowledge/{name}", "no agent of the file searches it")


@dataclass(slots=True)
class _Importing:
    """The agents of a bundle on their way.

    Args:
        collections: what the bundle's collections will be called.
        agents: those that there are by now, by their names in the bundle, each with its version.
    """

    shelf: Shelf
    caller: Identity
    bundle: Bundle
    collections: Mapping[str, str]
    on_conflict: OnConflict
    agents: dict[str, tuple[Agent, int]] = field(default_factory=dict[str, tuple[Agent, int]])

    async def look(self, order: tuple[str, ...]) -> None:
        """Find the agents that are there already, and what stands in the way of the others.

        Raises:
            AlreadyExists: the caller has another agent of a name, and it is to be refused.
        """
        for name in order:
            raw = self.bundle.agents[name]
            existing = await find_named(self.shelf, self.caller, str(raw["name"]))
            if existing is None:
                continue
            latest = await get_version(self.shelf.documents, existing, existing.head)
            if self._is_complete(raw) and latest.digest == definition_digest(definition_text(self._own(raw))):
                self.agents[name] = (existing, latest.number)
            elif self.on_conflict == "refuse":
                raise AlreadyExists(f"You have an agent named '{existing.name}' already, which says something else.")
        if self.on_conflict == "refuse" and await find_named(self.shelf, self.caller, str(self.bundle.agent["name"])):
            raise AlreadyExists(f"You have an agent named '{self.bundle.agent['name']}' already.")

    async def bring(self, name: str) -> None:
        """Store an agent that another one refers to, unless it is there already."""
        if name not in self.agents:
            agent, version = await self.store(self.bundle.agents[name])
            self.agents[name] = (agent, version.number)

    async def store(self, raw: Raw) -> tuple[Agent, AgentVersion]:
        """Store a definition; whatever it refers to in the bundle is there."""
        own = self._own(raw)
        return await import_agent(self.shelf, self.caller, Proposal(parse_definition(own), own), self.on_conflict)

    def _is_complete(self, raw: Raw) -> bool:
        return all(ref.id in self.agents for ref in agents_in(raw) if ref.id in self.bundle.agents)

    def _own(self, raw: Raw) -> Raw:
        """The definition, which refers to what is the caller's."""
        meant = {ref: self._meant(ref) for ref in agents_in(raw) if ref.id in self.agents}
        return referring(raw, meant, self.collections)

    def _meant(self, ref: AgentRef) -> AgentRef:
        agent, number = self.agents[ref.id]
        return AgentRef(agent.id, None if ref.version is None else number)
