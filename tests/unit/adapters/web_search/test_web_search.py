"""Search engines, on sites that speak their protocols."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from shared.adapters.egress.client import GuardedWebClient
from shared.adapters.web_search.brave import BraveSearch
from shared.adapters.web_search.tavily import TavilySearch
from shared.domain.egress import EgressPolicy
from shared.domain.errors import DomainError, FailedPrecondition, ResourceExhausted, Unavailable
from shared.ports.web_client import WebClient
from shared.ports.web_search import SearchHit, WebSearch
from tests.support.http_sites import Answer, Asked, Site, Told, site_of
from tests.support.search_sites import KEY, brave_site, tavily_site

pytestmark = pytest.mark.loopback

Engine = Callable[[WebClient, str, str], WebSearch]
ENGINES = [pytest.param(BraveSearch, brave_site, id="brave"), pytest.param(TavilySearch, tavily_site, id="tavily")]


def engine_at(engine: Engine, site: Site, key: str = KEY) -> WebSearch:
    return engine(GuardedWebClient(EgressPolicy(frozenset({site.at()}))), key, site.url("").removesuffix("/"))


@pytest.mark.parametrize(("engine", "answer"), ENGINES)
async def test_results_come_in_the_engines_order_without_marks_of_html(engine: Engine, answer: Answer) -> None:
    async with site_of({"*": answer}) as site:
        hits = await engine_at(engine, site).search("how <anvils> ring & why", 3)

    assert hits[0] == SearchHit("Result 1 for how <anvils> ring & why", "https://example.com/1", 'It "rings" 1 times.')
    assert [hit.url for hit in hits] == [f"https://example.com/{number}" for number in (1, 2, 3)]


@pytest.mark.parametrize(("engine", "answer"), ENGINES)
async def test_no_more_is_asked_for_than_the_engine_gives(engine: Engine, answer: Answer) -> None:
    async with site_of({"*": answer}) as site:
        assert len(await engine_at(engine, site).search("x", 50)) == 20


async def test_a_question_that_is_too_long_for_brave_is_cut_at_a_word() -> None:
    async with site_of({"*": brave_site}) as site:
        await engine_at(BraveSearch, site).search(" ".join(["word"] * 60), 1)
        await engine_at(BraveSearch, site).search("x" * 500, 1)

    assert [len(asked.query["q"]) for asked in site.asked] == [50 * 5 - 1, 400]


@pytest.mark.parametrize(("engine", "answer"), ENGINES)
async def test_a_wrong_key_is_the_operators_business_and_is_not_shown(engine: Engine, answer: Answer) -> None:
    async with site_of({"*": answer}) as site:
        with pytest.raises(FailedPrecondition, match=r"refused the search \(4") as refused:
            await engine_at(engine, site, "wrong-key-1234").search("x", 1)

    assert "wrong-key" not in refused.value.message + repr(engine_at(engine, site, "wrong-key-1234"))


async def told(engine: Engine, answer: Answer) -> DomainError:
    async with site_of({"*": answer}) as site:
        with pytest.raises(DomainError) as raised:
            await engine_at(engine, site).search("x", 1)
    return raised.value


@pytest.mark.parametrize(("engine", "_answer"), ENGINES)
async def test_whatever_an_engine_answers_instead_is_an_error_that_can_be_told(engine: Engine, _answer: Answer) -> None:
    busy = await told(engine, Told(b"", 429, {"Retry-After": "3"}))

    assert isinstance(busy, ResourceExhausted)
    assert busy.retry_after_seconds == 3
    for answer in (
        Told(b"down", 503),
        Told(b"<html>"),
        Told(b"[" * 100_000),
        Told.redirect("/elsewhere"),
        Told(b"", 204),
    ):
        assert isinstance(await told(engine, answer), Unavailable)


async def test_a_quota_that_is_used_up_at_tavily_is_told_as_such() -> None:
    assert isinstance(await told(TavilySearch, Told(b"{}", 432)), ResourceExhausted)


@pytest.mark.parametrize(("engine", "_answer"), ENGINES)
@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"web": None, "results": None},
        {"web": {"results": [1, {"title": "no address"}, {"url": 3}]}, "results": [1, {"url": None}]},
    ],
)
async def test_an_answer_of_another_shape_is_no_result_and_no_crash(
    engine: Engine, _answer: Answer, value: object
) -> None:
    async with site_of({"*": Told.of_json(value)}) as site:
        assert list(await engine_at(engine, site).search("x", 5)) == []


async def test_the_key_goes_where_the_engine_wants_it() -> None:
    asked: list[Asked] = []

    def brave(one: Asked) -> Told:
        asked.append(one)
        return brave_site(one)

    async with site_of({"*": brave}) as site:
        await engine_at(BraveSearch, site).search("x", 1)
    async with site_of({"*": tavily_site}) as site:
        await engine_at(TavilySearch, site).search("x", 1)

    assert (asked[0].method, asked[0].path, asked[0].headers["x-subscription-token"]) == (
        "GET",
        "/res/v1/web/search",
        KEY,
    )
    assert (site.asked[0].method, site.asked[0].path) == ("POST", "/search")
    assert site.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in asked[0].target + json.dumps(site.asked[0].json)
