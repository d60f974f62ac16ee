"""Read who was granted what on an agent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.domain.errors import NotFound
from shared.domain.grants import EVERYONE, Grant, Permission, grant_path, grants_path
from shared.domain.ids import AgentId, Uid
from shared.domain.pages import Page
from shared.domain.records import parse
from shared.domain.users import User, user_path
from shared.ports.documents import Documents, Query
from shared.ports.identity import Identity
from shared.usecases.grants.open_agent import open_agent
from shared.usecases.read_page import read_page
from shared.usecases.users.user_records import user_in


@dataclass(frozen=True, slots=True)
class KnownGrant:
    """A grant, and who its grantee is; None for everyone, and where the profile is gone."""

    grant: Grant
    grantee: User | None


async def list_grants(
    documents: Documents, caller: Identity, agent_id: AgentId, limit: int, page_token: str | None
) -> Page[KnownGrant]:
    """A page of an agent's grants, in the order of the grantees' ids; those that have expired too.

    Raises:
        NotFound: there is no such agent for the caller.
        PermissionDenied: the caller may see the agent, but does not administer it.
        InvalidArgument: the page token belongs to another list.
        Unavailable: the store does not answer.
    """
    await open_agent(documents, caller, agent_id, Permission.ADMIN)
    query = Query(grants_path(agent_id))
    page = await read_page(documents, query, limit, page_token, lambda fields: parse(Grant, fields))
    known = await with_grantees(documents, page.items)
    return Page(known, page.next_page_token)


async def get_grant(documents: Documents, caller: Identity, agent_id: AgentId, grantee: Uid) -> KnownGrant:
    """One grant; one's own, too.

    Raises:
        NotFound: there is no such agent for the caller, or no such grant.
        PermissionDenied: it is another's, and the caller does not administer the agent.
        Unavailable: the store does not answer.
    """
    needed = Permission.VIEW if grantee == caller.uid else Permission.ADMIN
    await open_agent(documents, caller, agent_id, needed)
    found = await documents.get(grant_path(agent_id, grantee))
    if found.fields is None:
        raise NotFound("There is no such grant.")
    return (await with_grantees(documents, [parse(Grant, found.fields)]))[0]


async def with_grantees(documents: Documents, grants: Sequence[Grant]) -> tuple[KnownGrant, ...]:
    """The grants with the profiles of their grantees."""
    people = [user_path(grant.grantee_uid) for grant in grants if grant.grantee_uid != EVERYONE]
    found = await documents.get_many(people) if people else []
    profiles = {snapshot.path: user_in(snapshot) for snapshot in found}
    return tuple(KnownGrant(grant, profiles.get(user_path(grant.grantee_uid))) for grant in grants)
