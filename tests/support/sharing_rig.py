"""People, one of whose agents is shared, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from shared.adapters.memory.directory import MemoryDirectory
from shared.domain.grants import Constraints, Grant, Permission
from shared.domain.ids import AgentId, Uid
from shared.domain.users import Role, user_path, username_path
from shared.domain.writes import Put
from shared.ports.identity import Identity
from shared.usecases.grants.put_grant import NewGrant, put_grant
from shared.usecases.grants.sharing import Sharing
from shared.usecases.runs.start_run import StartedRun
from tests.support.engine_rig import ANN, EngineRig

OWNER = Identity(ANN, "user")


def person(name: str, role: Role = "user") -> Identity:
    return Identity(Uid(name), role)


@dataclass(slots=True)
class SharingRig:
    """Ann's agents, and those with whom she shares them; everybody's username is their id with `-name` behind it."""

    rig: EngineRig = field(default_factory=EngineRig)
    directory: MemoryDirectory = field(default_factory=MemoryDirectory)

    @property
    def documents(self) -> Any:
        return self.rig.documents

    @property
    def sharing(self) -> Sharing:
        return Sharing(self.rig.documents, self.rig.clock, self.directory)

    async def settle(self, *names: str) -> None:
        """Let these people exist, with a username, and an address that they have proved."""
        now = self.rig.clock.now()
        for name in names:
            profile = {"uid": name, "username": f"{name}-name", "email": f"{name}@example.com", "display_name": None}
            profile |= {"role": "user", "is_active": True, "created_at": now, "updated_at": now}
            holder = {"uid": name, "username": f"{name}-name", "state": "confirmed", "reserved_at": now}
            await self.rig.documents.commit([Put(user_path(name), profile), Put(username_path(f"{name}-name"), holder)])
            self.directory.proved[f"{name}@example.com"] = Uid(name)

    async def grant(
        self, agent: AgentId, to: str, permission: Permission, by: Identity = OWNER, **constraints: Any
    ) -> Grant:
        """Let somebody grant something."""
        new = NewGrant(to, permission, Constraints(**constraints))
        return (await put_grant(self.sharing, by, agent, new))[0]

    async def start(self, agent: AgentId | None, who: str, **request: Any) -> StartedRun:
        """Let somebody start a run."""
        return await self.rig.start(agent, caller=Uid(who), **request)
