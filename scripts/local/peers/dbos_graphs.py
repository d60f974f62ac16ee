"""DBOS on Postgres: each node a child workflow that a queue hands out, or each a step of one workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from dbos import DBOS, DBOSConfig

from scripts.local.peers.postgres import postgres
from scripts.local.peers.serving import Work, serve

_QUEUE = "nodes"
_POLL_SECONDS = 0.01
"""How often the queue and its results are looked at; DBOS's own default, a second, would be all that one sees."""


async def main() -> None:
    """Serve."""
    work = Work()

    @DBOS.workflow()
    async def node(url: str | None) -> int:
        return await work(url)

    @DBOS.step()
    async def step(url: str | None) -> int:
        return await work(url)

    @DBOS.workflow()
    async def queued(layers: list[int], url: str | None) -> int:
        done = 0
        for width in layers:
            handles = [await DBOS.enqueue_workflow_async(_QUEUE, node, url) for _ in range(width)]
            done += len([await handle.get_result(polling_interval_sec=_POLL_SECONDS) for handle in handles])
        return done

    @DBOS.workflow()
    async def stepped(layers: list[int], url: str | None) -> int:
        return sum([len(await asyncio.gather(*(step(url) for _ in range(width)))) for width in layers])

    with postgres() as address:
        config: DBOSConfig = {"name": "peers", "system_database_url": address, "log_level": "WARNING"}
        DBOS(config=config)
        DBOS.launch()
        await DBOS.register_queue_async(_QUEUE, polling_interval_sec=_POLL_SECONDS)

        async def execute_queued(layers: Sequence[int], url: str | None) -> None:
            _check(await queued(list(layers), url), layers)

        async def execute_steps(layers: Sequence[int], url: str | None) -> None:
            _check(await stepped(list(layers), url), layers)

        try:
            await serve({"DBOS queue": execute_queued, "DBOS steps": execute_steps})
        finally:
            DBOS.destroy()


def _check(done: int, layers: Sequence[int]) -> None:
    if done != sum(layers):
        raise RuntimeError(f"{done} of {sum(layers)} nodes ran")


if __name__ == "__main__":
    asyncio.run(main())
