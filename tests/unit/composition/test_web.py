"""What reaches the web, as the settings choose."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.adapters.web_search.brave import BraveSearch
from shared.adapters.web_search.tavily import TavilySearch
from shared.composition.web import connect_search, connect_web
from shared.settings import load_settings

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
