"""What reaches the web, as the settings choose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.adapters.web_search.brave import BraveSearch
from shared.adapters.web_search.tavily import TavilySearch
from shared.composition.web import connect_search, connect_web
from shared.settings import load_settings
from tests.support.http_sites import Answer, site_of
from tests.support.search_sites import KEY, brave_site, tavily_site
from tests.support.workspaces import TestingWorkspace

SETTINGS = load_settings({"FIRELOOM_PROJECT": "demo-x", "FIRELOOM_SEARCH_ENGINE": "brave", "FIRELOOM_SEARCH_KEY": "k"})


def test_a_deployment_chooses_its_search_engine() -> None:
    web = connect_web(SETTINGS)

    assert connect_search(SETTINGS, web) == BraveSearch(web, "k")
    other = replace(SETTINGS, search_engine="tavily", search_url="https://proxy.example.com")
    assert connect_search(other, web) == TavilySearch(web, "k", "https://proxy.example.com")
    assert connect_search(replace(SETTINGS, search_engine=None), web) is None
    assert "'k'" not in repr(SETTINGS)


@pytest.mark.parametrize(
    ("engine", "key", "named"), [("brave", None, "SEARCH_KEY"), ("altavista", "k", "SEARCH_ENGINE")]
)
def test_a_choice_that_cannot_work_is_named(engine: str, key: str | None, named: str) -> None:
    with pytest.raises(ValueError, match=f"FIRELOOM_{named}"):
        connect_search(replace(SETTINGS, search_engine=engine, search_key=key), connect_web(SETTINGS))


@pytest.mark.loopback
@pytest.mark.parametrize(("engine", "site"), [("brave", brave_site), ("tavily", tavily_site)])
async def test_the_tool_asks_the_engine_that_was_chosen(engine: str, site: Answer) -> None:
    async with site_of({"*": site}) as found:
        settings = load_settings(
            {
                "FIRELOOM_PROJECT": "demo-x",
                "FIRESTORE_EMULATOR_HOST": "127.0.0.1:1",  # only beside emulators this machine may be asked
                "FIRELOOM_EGRESS_LOOPBACK": f"127.0.0.1:{found.port}",
                "FIRELOOM_SEARCH_ENGINE": engine.title(),
                "FIRELOOM_SEARCH_KEY": KEY,
                "FIRELOOM_SEARCH_URL": found.url(),
            }
        )
        workspace = TestingWorkspace(connect_search(settings, connect_web(settings)))
        answer = await workspace.answer("web_search", query="anvils", max_results=2)

    assert [(one["url"], one["title"]) for one in answer["results"]] == [
        ("https://example.com/1", "Result 1 for anvils"),
        ("https://example.com/2", "Result 2 for anvils"),
    ]
    assert len(found.asked) == 1
