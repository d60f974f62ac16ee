"""Name a version of an agent: a new alias, a move to another version (a roll-back, too), or none any more."""

from __future__ import annotations

import re
from datetime import datetime

from shared.domain.agent_history import tell_move
from shared.domain.agents import DRAFT, LATEST, Agent, Seen, VersionRef, revised
from shared.domain.errors import Fault, InvalidArgument, NotFound
from shared.domain.ids import AgentId
from shared.domain.writes import Write
from shared.ports.identity import Identity
from shared.usecases.agents.change_agent import Change, change_agent
from shared.usecases.agents.check_alias import check_alias
from shared.usecases.agents.get_agent import get_version
from shared.usecases.agents.shelf import Shelf

MAX_ALIASES = 20
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")


async def move_alias(  # noqa: PLR0913 - who, what, and on which condition
    shelf: Shelf, caller: Identity, agent_id: AgentId, alias: str, to: VersionRef, *, seen: Seen | None = None
) -> Agent:
    """Make `alias` mean the version that `to` means now; runs and sessions keep the version that they began with.

    Raises:
        InvalidArgument: the alias is no name, means something else, or is one too many; or agents would come to run
            each other.
        NotFound: there is no such agent for this caller, or no such version.
        PermissionDenied: the caller may see the agent but not change it.
        VersionMismatch: the agent is no longer as it was `seen`.
        Aborted: others kept changing the agent.
        Unavailable: the store does not answer; the alias may have moved.
    """
    _check_name(alias)

    async def decide(agent: Agent, now: datetime) -> Change:
        version = await get_version(shelf.documents, agent, to)
        aliases = {**agent.aliases, alias: version.number}
        if len(aliases) > MAX_ALIASES:
            raise InvalidArgument(f"An agent has {MAX_ALIASES} aliases at most; remove one first.")
        moves = agent.aliases.get(alias) != version.number
        checked = await check_alias(shelf, caller, alias, version) if moves else ()
        return _move(agent, revised(agent, now, aliases=aliases), alias, caller, *checked)

    return (await change_agent(shelf, caller, agent_id, decide, seen)).agent


async def remove_alias(
    shelf: Shelf, caller: Identity, agent_id: AgentId, alias: str, seen: Seen | None = None
) -> Agent:
    """Let `alias` mean no version any more.

    Raises:
        NotFound: there is no such agent for this caller, or it has no such alias.
        PermissionDenied: the caller may see the agent but not change it.
        VersionMismatch: the agent is no longer as it was `seen`.
        Aborted: others kept changing the agent.
        Unavailable: the store does not answer; the alias may be gone.
    """

    async def decide(agent: Agent, now: datetime) -> Change:
        if alias not in agent.aliases:
            raise NotFound(f"The agent has no alias '{alias}'.")
        aliases = {name: number for name, number in agent.aliases.items() if name != alias}
        return _move(agent, revised(agent, now, aliases=aliases), alias, caller)

    return (await change_agent(shelf, caller, agent_id, decide, seen)).agent


def _move(old: Agent, new: Agent, alias: str, caller: Identity, *writes: Write) -> Change:
    """The change, which the history tells unless the alias means what it meant, together with other writes."""
    moved = old.aliases.get(alias) != new.aliases.get(alias)
    return Change(new, (tell_move(old, new, alias, caller.uid), *writes) if moved else ())


def _check_name(alias: str) -> None:
    if alias in {LATEST, DRAFT}:
        reason = f"always means the {'latest version' if alias == LATEST else 'draft'}; choose another name"
    elif not _NAME.fullmatch(alias):
        reason = "must be lower-case letters, digits, '_' or '-', start with a letter, 32 at most"
    else:
        return
    raise InvalidArgument(f"The alias {reason}.", (Fault("path.alias", reason),))
