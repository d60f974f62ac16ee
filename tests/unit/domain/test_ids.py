"""Ids are opaque, and what is derived from them is the same each time."""

from __future__ import annotations

from shared.domain.ids import share_of


def test_a_share_is_the_same_for_the_same_parts_and_spread_over_others() -> None:
    shares = [share_of("run", str(n)) for n in range(1_000)]
    assert shares == [share_of("run", str(n)) for n in range(1_000)]
    tenths = {int(share * 10) for share in shares}
    assert tenths == set(range(10))
    assert share_of("a", "b") != share_of("ab")
