from __future__ import annotations

import re
from datetime import UTC

from shared.adapters.memory.ids import MemoryIds
from shared.adapters.system.clock import SystemClock
from shared.adapters.system.ids import SystemIds


async def test_the_clock_is_aware_and_goes_forward() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.001)
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() > before


def test_ids_have_the_form_of_the_port() -> None:
    for ids in (SystemIds(), MemoryIds()):
        made = {ids.new() for _ in range(100)}
        assert len(made) == 100
        assert all(re.fullmatch(r"[A-Za-z0-9]{20}", id_) for id_ in made)


def test_a_seed_repeats_its_ids() -> None:
    assert [MemoryIds(7).new() for _ in range(2)] == [MemoryIds(7).new()] * 2
    assert MemoryIds(1).new() != MemoryIds(2).new()
