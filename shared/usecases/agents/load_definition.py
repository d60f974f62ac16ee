"""Load what an agent's version says, to run it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.domain.access import Access
from shared.domain.agent_drafts import Draft, draft_path
from shared.domain.agent_statics import static_version
from shared.domain.agents import DRAFT_NUMBER, Agent, AgentVersion, VersionRef, version_path
from shared.domain.definition_faults import parse_definition
from shared.domain.definitions import AgentDefinition
from shared.domain.errors import FailedPrecondition, NotFound
from shared.domain.grants import Permission
from shared.domain.ids import AgentId, Uid
from shared.domain.records import from_json, parse
from shared.ports.documents import Documents


@dataclass(frozen=True, slots=True)
class LoadedDefinition:
    """A definition, and who wrote it: the secrets that it names are theirs."""

    definition: AgentDefinition
    author_uid: Uid


def number_to_run(agent: Agent, access: Access, ref: VersionRef | None) -> int:
    """The number of the version that `ref` means now; 0 is the draft, which only those who change the agent try.

    Raises:
        NotFound: there is no such version that this caller may run.
    """
    number = agent.number_of(ref)
    if number == DRAFT_NUMBER and not access.allows(Permission.EDIT):
        raise NotFound("there is no draft that you may run")
    return number


async def load_definition(documents: Documents, agent_id: AgentId, number: int) -> LoadedDefinition:
    """The definition of a version, or the draft as it is now.

    Raises:
        NotFound, FailedPrecondition, InvalidArgument: as `definition_in`.
        Unavailable: the store does not answer.
    """
    path = path_of_version(agent_id, number)
    return definition_in(None if path is None else (await documents.get(path)).fields, agent_id, number)


def path_of_version(agent_id: AgentId, number: int) -> str | None:
    """Where a version, or the draft, is stored; None of what comes with the program."""
    if static_version(agent_id, number):
        return None
    return draft_path(agent_id) if number == DRAFT_NUMBER else version_path(agent_id, number)


def definition_in(fields: Mapping[str, Any] | None, agent_id: AgentId, number: int) -> LoadedDefinition:
    """The definition in what was found where a version is stored.

    Raises:
        NotFound: the agent has no such version, or no draft.
        FailedPrecondition: it is a template.
        InvalidArgument: with everything that is still wrong with the draft.
    """
    if released := static_version(agent_id, number):
        return LoadedDefinition(_definition(released), released.created_by)
    if fields is None:
        missing = "draft" if number == DRAFT_NUMBER else f"version {number}"
        raise NotFound(f"agent {agent_id} has no {missing}")
    if number == DRAFT_NUMBER:
        draft = parse(Draft, fields)
        _check_runnable(draft.raw)
        return LoadedDefinition(parse_definition(draft.raw), draft.updated_by)
    version = parse(AgentVersion, fields)
    return LoadedDefinition(_definition(version), version.created_by)


def _definition(version: AgentVersion) -> AgentDefinition:
    raw = from_json(version.definition_json)
    _check_runnable(raw)
    return AgentDefinition.model_validate(raw)


def _check_runnable(raw: Mapping[str, Any]) -> None:
    if raw.get("parameters") is not None:
        raise FailedPrecondition("This agent is a template; make an agent of it, and run that.")
