"""Calls the sweeper as Cloud Scheduler would."""

import httpx

from scripts.local.environment import StackSettings, schedule_caller
from shared.adapters.cloud_tasks.emulator import local_token

_TOKEN_SECONDS = 60
_SWEEP_SECONDS = 60


async def sweep(settings: StackSettings) -> httpx.Response:
    """Let the sweeper look once for whatever a dead process left behind.

    Raises:
        httpx.TransportError: The sweeper does not serve.
    """
    address = settings.ports.addresses["sweeper"]
    token = local_token(schedule_caller(settings.project), address, settings.oidc_key, _TOKEN_SECONDS)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(trust_env=False, timeout=_SWEEP_SECONDS) as client:
        return await client.post(f"{address}/tasks/sweep", headers=headers)
