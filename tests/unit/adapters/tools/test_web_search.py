"""`web_search`."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from shared.domain.errors import Unavailable
from shared.ports.web_search import SearchHit
from tests.support.workspaces import TestingWorkspace


class Engine:
    """Finds as many pages as it is asked for, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked: list[tuple[str, int]] = []

    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        self.asked.append((query, limit))
        if self.failure:
            raise self.failure
        return [SearchHit(f"Page {i}", f"https://example.com/{i}", "x" * 5000) for i in range(limit + 1)]


async def test_without_a_search_engine_the_model_is_told_so() -> None:
    message = await TestingWorkspace().refusal("web_search", query="papers", config={"max_results": 10})

    assert "No search engine is configured" in message
    assert "say in your answer that you could not search" in message


@pytest.mark.parametrize(
    ("config", "asked_for", "limit"),
    [({}, None, 10), ({"max_results": 3}, None, 3), ({"max_results": 3}, 50, 3), ({"max_results": 20}, 5, 5)],
)
async def test_the_definition_limits_how_many_results_a_model_gets(
    config: dict[str, int], asked_for: int | None, limit: int
) -> None:
    engine = Engine()

    answer = await TestingWorkspace(engine).answer("web_search", query="papers", max_results=asked_for, config=config)

    assert engine.asked == [("papers", limit)]
    assert len(answer["results"]) == limit
    assert answer["results"][0]["url"] == "https://example.com/0"
    assert len(answer["results"][0]["excerpt"]) == 2000


async def test_a_search_engine_that_is_down_is_reported_to_the_model_and_not_retried() -> None:
    workspace = TestingWorkspace(Engine(Unavailable("no answer")))

    assert await workspace.refusal("web_search", query="papers") == "The search failed: no answer"


async def test_a_setting_that_does_not_fit_is_explained() -> None:
    message = await TestingWorkspace(Engine()).refusal("web_search", query="papers", config={"max_results": "many"})

    assert message == (
        "The tool is not configured well in the agent's definition. max_results: Input should be a valid integer."
    )
