"""Gather an agent with all that it needs elsewhere, as far as the person who takes it along may see it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from shared.domain.agent_bundles import (
    MAX_AGENTS,
    MAX_BUNDLE_BYTES,
    MAX_COLLECTIONS,
    MAX_DOCUMENTS,
    AgentRef,
    Bundle,
    BundledCollection,
    BundledDocument,
    Raw,
    agents_in,
    collections_in,
    free_name,
    referring,
    without_owner,
)
from shared.domain.agents import Agent, AgentVersion, VersionRef
from shared.domain.errors import Aborted, FailedPrecondition, Internal, NotFound, TooLarge
from shared.domain.ids import AgentId
from shared.domain.knowledge import (
    Collection,
    CollectionId,
    KnowledgeDocument,
    meant_collection_id,
)
from shared.domain.pages import MAX_LIMIT
from shared.ports.documents import Documents
from shared.ports.identity import Identity
from shared.usecases.agents.get_agent import get_agent, get_version
from shared.usecases.knowledge.get_collection import get_collection
from shared.usecases.knowledge.get_document import get_document, list_documents
from shared.usecases.knowledge.read_content import read_content

_READS = 3


async def export_bundle(
    documents: Documents, caller: Identity, agent_id: AgentId, ref: VersionRef
) -> tuple[Agent, AgentVersion, Bundle]:
    """The agent, its version, and that with all that belongs to it.

    What the caller may not see is left out, and still referred to as it was; so are agents that every deployment has.
    A reference to a version of an agent becomes one to the first version of the bundled agent.

    Raises:
        NotFound: there is no such agent or version for this caller.
        FailedPrecondition: the agents refer to each other in a circle.
        TooLarge: it is more than a bundle holds.
        Aborted: documents keep changing while they are read.
        Internal: the content of a document is damaged.
        Unavailable: the store does not answer.
    """
    agent = await get_agent(documents, caller, agent_id)
    version = await get_version(documents, agent, ref)
    raw = without_owner(json.loads(version.definition_json))
    gathering = _Gathering(documents, caller)
    whole = await gathering.gather(raw, str(raw["name"]), (f"{agent.id} {version.number}",))
    return agent, version, Bundle(whole, gathering.agents, gathering.knowledge)


@dataclass(slots=True)
class _Gathering:
    """What was gathered so far, and under which names."""

    documents: Documents
    caller: Identity
    agents: dict[str, Raw] = field(default_factory=dict[str, Raw])
    knowledge: dict[str, BundledCollection] = field(default_factory=dict[str, BundledCollection])
    size_bytes: int = 0
    _agent_names: dict[str, str] = field(default_factory=dict[str, str])
    _collection_names: dict[CollectionId, str] = field(default_factory=dict[CollectionId, str])
    _taken: list[str] = field(default_factory=list[str])

    async def gather(self, raw: Raw, name: str, above: tuple[str, ...]) -> dict[str, object]:
        """A definition that refers to what was bundled.

        Args:
            raw: as it is stored.
            name: what it is called in the bundle.
            above: the versions that lead to it, itself included.
        """
        self._taken.append(name)
        self._count(len(json.dumps(raw)), "definitions")
        agents = {ref: await self._bundled(ref, above) for ref in agents_in(raw)}
        collections = {named: await self._collected(named) for named in collections_in(raw)}
        return {**referring(raw, agents, collections), "name": name}

    async def _bundled(self, ref: AgentRef, above: tuple[str, ...]) -> AgentRef:
        try:
            agent = await get_agent(self.documents, self.caller, AgentId(ref.id))
            version = await get_version(self.documents, agent, agent.head if ref.version is None else ref.version)
        except NotFound:
            return ref
        if agent.type == "static":
            return ref
        key = f"{agent.id} {version.number}"
        if key in above:
            raise FailedPrecondition("The agents refer to each other in a circle, which cannot be made elsewhere.")
        if key not in self._agent_names:
            name = self._agent_names[key] = free_name(agent.name, self._taken)
            raw = without_owner(json.loads(version.definition_json))
            self.agents[name] = await self.gather(raw, name, (*above, key))
            if len(self.agents) > MAX_AGENTS:
                raise TooLarge(f"The agent refers to more than {MAX_AGENTS} others; export it as YAML.")
        return AgentRef(self._agent_names[key], None if ref.version is None else 1)

    async def _collected(self, named: str) -> str:
        """The name in the bundle of a collection that a definition names; as it is where the caller may not read it."""
        try:
            collection = await get_collection(
                self.documents, self.caller.uid, meant_collection_id(self.caller.uid, named)
            )
        except NotFound:
            return named
        if collection.id not in self._collection_names:
            name = self._collection_names[collection.id] = free_name(collection.name, self.knowledge)
            if len(self.knowledge) == MAX_COLLECTIONS:
                raise TooLarge(f"The agent searches more than {MAX_COLLECTIONS} collections; export it as YAML.")
            self.knowledge[name] = await self._with_documents(collection)
        return self._collection_names[collection.id]

    async def _with_documents(self, collection: Collection) -> BundledCollection:
        records: list[KnowledgeDocument] = []
        token: str | None = None
        while True:
            page = await list_documents(self.documents, self.caller.uid, collection.id, MAX_LIMIT, token)
            records += page.items
            held = sum(len(one.documents) for one in self.knowledge.values())
            if held + len(records) > MAX_DOCUMENTS:
                raise TooLarge(f"Its knowledge has more than {MAX_DOCUMENTS} documents; export it as YAML.")
            if (token := page.next_page_token) is None:
                break
        for record in records:
            self._count(record.size_bytes, "knowledge")
        found = [await self._document(one) for one in records]
        return BundledCollection(collection.description, tuple(one for one in found if one is not None))

    async def _document(self, record: KnowledgeDocument) -> BundledDocument | None:
        """The document as it is by now; None if it was deleted since it was listed."""
        for _ in range(_READS):
            try:
                content = await read_content(self.documents, record)
            except Internal:
                listed = record
                try:
                    record = await get_document(self.documents, self.caller.uid, listed.collection_id, listed.id)
                except NotFound:
                    return None
                if record.upload == listed.upload:
                    raise  # nobody changes it: it is damaged
            else:
                return BundledDocument(record.name, content, record.mime_type)
        raise Aborted("The documents keep changing; try again.", retry_after_seconds=1)

    def _count(self, size_bytes: int, what: str) -> None:
        self.size_bytes += size_bytes
        if self.size_bytes > MAX_BUNDLE_BYTES:
            raise TooLarge(f"With its {what} the agent has more than {MAX_BUNDLE_BYTES >> 20} MiB; export it as YAML.")
