"""The grants with which an agent begins: those that its first definition asks for."""

from __future__ import annotations

from shared.domain.agent_history import tell_grant
from shared.domain.agents import Agent
from shared.domain.definitions import Permissions
from shared.domain.errors import Fault, InvalidArgument
from shared.domain.grants import EVERYONE, Grant, Permission
from shared.domain.ids import Uid
from shared.domain.writes import Write
from shared.ports.directory import Directory
from shared.ports.documents import Documents
from shared.usecases.grants.find_person import find_person
from shared.usecases.grants.put_grant import give

MOST_NAMED = 50
"""How many people a definition may name; more are granted something one by one."""


async def first_grants(
    documents: Documents, directory: Directory, agent: Agent, permissions: Permissions
) -> tuple[Write, ...]:
    """The writes that let everyone run a `public` agent, and whom it is `shared_with` as well.

    Only of a definition that its owner wrote: whoever imports or copies one does not share what others shared.

    Raises:
        InvalidArgument: with everybody who is named and does not exist.
        Unavailable: the store or Identity Platform does not answer.
    """
    if agent.scope == "system":
        return ()
    grantees = dict.fromkeys([EVERYONE] if permissions.public else [])
    grantees |= dict.fromkeys(await _named(documents, directory, permissions.shared_with))
    grantees.pop(agent.owner_uid, None)
    grants = (
        Grant(agent.id, agent.owner_uid, grantee, Permission.RUN, agent.created_at, agent.owner_uid)
        for grantee in grantees
    )
    told = ((*give(grant), tell_grant(None, grant, agent.owner_uid, agent.created_at)) for grant in grants)
    return tuple(write for writes in told for write in writes)


async def _named(documents: Documents, directory: Directory, named: tuple[str, ...]) -> list[Uid]:
    if len(named) > MOST_NAMED:
        fault = Fault("permissions.shared_with", f"may name {MOST_NAMED} people; share with more by POST …/grants")
        raise InvalidArgument("The definition has one fault.", (fault,))
    found: list[Uid] = []
    faults: list[Fault] = []
    for place, name in enumerate(named):
        try:
            found.append((await find_person(documents, directory, name, f"permissions.shared_with.{place}")).uid)
        except InvalidArgument as error:
            faults += error.faults
    if faults:
        raise InvalidArgument("The definition is shared with people who do not exist.", tuple(faults))
    return found
