"""The routes of quotas: what somebody has used, and what administrators let them use."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from shared.domain.ids import Uid
from shared.domain.quotas import Quota
from shared.edge.auth import Administrator, Caller
from shared.edge.json_route import JsonRoute
from shared.ports.clock import Clock
from shared.ports.documents import Documents
from shared.usecases.users.get_usage import UsageToday, get_usage
from shared.usecases.users.set_quota import set_quota

_MOST = 1_000_000_000_000


class QuotaBody(BaseModel):
    """What a person may do, where it is not what everybody may; null, or left out, is what everybody may."""

    model_config = ConfigDict(extra="forbid", from_attributes=True)

    calls_per_day: int | None = Field(default=None, ge=0, le=_MOST, description="Model requests.")
    tokens_per_day: int | None = Field(default=None, ge=0, le=_MOST, description="In and out.")
    cost_usd_micros_per_day: int | None = Field(default=None, ge=0, le=_MOST, description="Millionths of a US dollar.")
    runs_per_day: int | None = Field(default=None, ge=0, le=_MOST)
    runs_per_minute: int | None = Field(default=None, ge=0, le=_MOST)
    concurrent_runs: int | None = Field(default=None, ge=0, le=_MOST, description="Started, and not ended.")
    parallel_nodes: int | None = Field(default=None, ge=1, le=_MOST, description="Agents and tools at work at once.")


class MeterShape(BaseModel):
    """One limit, and how much of it is used."""

    model_config = ConfigDict(from_attributes=True)

    limit: int | None = Field(description="null where nothing limits it.")
    used: int
    held: int = Field(description="What nodes at work have set aside; what they do not use comes back.")
    resets_at: datetime | None = Field(description="When it begins anew.")


class UsageShape(BaseModel):
    """What somebody has used today (UTC)."""

    model_config = ConfigDict(from_attributes=True)

    day: str
    calls: MeterShape
    tokens: MeterShape
    cost_usd_micros: MeterShape
    runs: MeterShape
    runs_per_minute: MeterShape
    concurrent_runs: MeterShape
    parallel_nodes: MeterShape

    @classmethod
    def of(cls, usage: UsageToday) -> UsageShape:
        """The shape of `usage`."""
        return cls.model_validate(usage)


def quota_routes(documents: Documents, clock: Clock, default: Quota) -> APIRouter:
    """What is used of quotas, and who may use how much."""
    router = APIRouter(prefix="/users", tags=["quotas"], route_class=JsonRoute)

    @router.get("/me/usage")
    async def read_own_usage(caller: Caller) -> UsageShape:
        """Read what you have used of your quota, and when it begins anew."""
        return UsageShape.of(await get_usage(documents, caller.uid, default, clock.now()))

    @router.get("/{user_id}/usage")
    async def read_usage(user_id: str, _administrator: Administrator) -> UsageShape:
        """Read what somebody has used of their quota."""
        return UsageShape.of(await get_usage(documents, Uid(user_id), default, clock.now()))

    @router.put("/{user_id}/quota")
    async def write_quota(user_id: str, body: QuotaBody, _administrator: Administrator) -> QuotaBody:
        """Set somebody's quota; it holds for the runs that they start from now on."""
        return QuotaBody.model_validate(await set_quota(documents, Uid(user_id), Quota(**body.model_dump())))

    return router
