"""`web_fetch`."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.egress.client import GuardedWebClient
from shared.adapters.tools.article_text import article_text
from shared.adapters.tools.web_content import text_of_answer
from shared.adapters.tools.web_get import MAX_BYTES
from shared.domain.egress import EgressPolicy
from shared.ports.web_client import WebAnswer
from tests.support.http_sites import Answer, Site, Told, site_of
from tests.support.pdf_files import pdf_of
from tests.support.workspaces import TestingWorkspace

pytestmark = pytest.mark.loopback

SENTENCES = "".join(
    f"<p>The smith strikes anvil number {number} until it <a href='/ring'>rings</a> twice.</p>" for number in range(9)
)
PAGE = f"""<!doctype html><html><head><title>How anvils ring</title><style>p {{color: red}}</style>
<script>alert("x")</script></head><body><nav><a href="/">Home</a><a href="/shop">Shop</a></nav>
<main><article><h1>How anvils ring</h1>{SENTENCES}</article></main>
<footer>Cookie settings. Imprint.</footer></body></html>"""


def page(text: str = PAGE, content_type: str = "text/html; charset=utf-8") -> Told:
    return Told(text.encode(), headers={"Content-Type": content_type})


def workspace_of(*sites: Site) -> TestingWorkspace:
    return TestingWorkspace(web=GuardedWebClient(EgressPolicy(frozenset(site.at() for site in sites))))


async def fetch(told: Answer, config: dict[str, Any] | None = None, path: str = "/page", **arguments: Any) -> Any:
    async with site_of({"*": told}) as site:
        return await workspace_of(site).answer("web_fetch", url=site.url(path), config=config or {}, **arguments)


async def refused(told: Answer, config: dict[str, Any] | None = None) -> str:
    async with site_of({"*": told}) as site:
        return await workspace_of(site).refusal("web_fetch", url=site.url("/page"), config=config or {})


async def test_a_page_is_read_as_its_article_without_menus_scripts_and_footers() -> None:
    answer = await fetch(page())

    assert answer["title"] == "How anvils ring"
    assert "# How anvils ring" in answer["text"]
    assert "anvil number 8" in answer["text"]
    assert "/ring)" in answer["text"]
    assert not {"alert", "Shop", "Imprint", "color"} & set(answer["text"].replace("(", " ").split())
    assert (answer["media_type"], answer["truncated"], "next_offset" in answer) == ("text/html", False, False)


async def test_a_long_page_is_read_in_parts_that_fit_together() -> None:
    async with site_of({"*": page()}) as site:
        workspace, url = workspace_of(site), site.url()
        whole = (await workspace.answer("web_fetch", url=url))["text"]
        first = await workspace.answer("web_fetch", url=url, max_characters=100)
        rest = await workspace.answer("web_fetch", url=url, offset=first["next_offset"], max_characters=100_000)

    assert (first["truncated"], first["characters"]) == (True, len(whole))
    assert first["text"] + rest["text"] == whole


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<html><body><p>Short.</p></body></html>", "Short."),
        ("<table><tr><td>only<td>cells</table>", "cells"),
        ("no markup at all", "no markup at all"),
        ("<div>" * 50_000 + "deep down", "deep down"),
        ("<b><i>" * 50_000 + "never closed", "never closed"),
    ],
)
async def test_a_page_without_an_article_is_read_as_it_looks(text: str, words: str) -> None:
    assert words in (await fetch(page(text)))["text"]


async def test_a_page_that_is_made_to_be_slow_is_read_without_the_slow_part() -> None:
    article = await article_text("<p>a</p>" * 200_000 + "the end", "https://example.com/", seconds=0.5)

    assert article.text.endswith("the end")


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ('{"a": "ü"}'.encode(), "application/json", '{"a": "ü"}'),
        (b"plain", "text/plain", "plain"),
        (b"plain", "", "plain"),
        ("größe".encode("latin-1"), "text/plain; charset=ISO-8859-1", "größe"),
        ("größe".encode("latin-1"), "text/plain", "größe"),
        ("größe".encode("utf-16"), "text/plain", "größe"),
        ("größe".encode(), 'text/plain; charset="no-such"', "größe"),
        (b"a", "text/plain; charset=zip", "a"),
        (b"\\x41", "text/plain; charset=unicode_escape", "\\x41"),
        (b"<feed>x</feed>", "application/atom+xml", "<feed>x</feed>"),
    ],
)
async def test_other_text_is_given_as_it_is_in_whatever_characters(body: bytes, content_type: str, text: str) -> None:
    assert (await fetch(Told(body, headers={"Content-Type": content_type})))["text"] == text


async def test_a_page_may_say_itself_in_which_characters_it_is() -> None:
    text = "<meta charset='iso-8859-5'><p>Наковальня</p>"

    assert "Наковальня" in (await fetch(Told(text.encode("iso-8859-5"), headers={"Content-Type": "text/html"})))["text"]


async def test_a_document_on_the_web_is_read_like_one_in_the_workspace() -> None:
    pdf = Told(pdf_of("Anvils, printed"), headers={"Content-Type": "application/pdf"})

    answer = await fetch(pdf, path="/papers/anvils.pdf")

    assert "Anvils, printed" in answer["text"]
    assert answer["media_type"] == "application/pdf"


@pytest.mark.parametrize("content_type", ["image/png", "application/octet-stream", "video/mp4"])
async def test_what_is_no_text_is_refused_politely(content_type: str) -> None:
    message = await refused(Told(b"\x89PNG\r\n\x1a\n\0\0", headers={"Content-Type": content_type}))

    assert "is not plain text" in message


async def test_a_huge_text_is_read_to_the_bound_and_a_huge_document_not_at_all() -> None:
    answer = await fetch(Told(b"\xc3\xbc" * MAX_BYTES, headers={"Content-Type": "text/plain"}))
    message = await refused(Told(bytes(MAX_BYTES + 1), headers={"Content-Type": "application/pdf"}))

    assert (answer["truncated"], answer["characters"], answer["text"][:1]) == (True, MAX_BYTES // 2, "ü")
    assert "larger than 5,242,880 bytes" in message


def test_a_character_that_the_bound_cuts_through_is_left_out() -> None:
    body = "a💥".encode()
    for cut in range(1, len(body) + 1):
        answer = WebAnswer("https://x.org", 200, {"content-type": "text/plain"}, body[:cut], truncated=True)
        assert text_of_answer(answer) == ("a💥" if cut == len(body) else "a")


@pytest.mark.parametrize("status", [404, 500, 304])
async def test_a_status_that_is_no_success_is_told(status: int) -> None:
    assert f"answered {status}." in await refused(Told(b"no", status))


async def test_an_address_inside_is_refused_and_nothing_is_sent() -> None:
    async with site_of({"*": page()}) as site:
        workspace = workspace_of()
        for url in (site.url(), "http://169.254.169.254/", "http://[::1]/", "file:///etc/passwd"):
            message = await workspace.refusal("web_fetch", url=url)
            assert "may not be reached" in message or "must begin with" in message or "Port" in message

    assert site.asked == []


async def test_a_redirect_inside_is_refused() -> None:
    assert "may not be reached" in await refused(Told.redirect("http://10.0.0.1/"))


async def test_an_author_may_choose_the_hosts_and_a_redirect_leads_no_further() -> None:
    async with site_of({"*": page()}) as other, site_of({"/page": Told.redirect(other.url())}) as site:
        workspace = workspace_of(site, other)
        config = {"hosts": ["127.0.0.1"]}
        assert (await workspace.answer("web_fetch", url=site.url("/page"), config=config))["url"] == other.url()
        narrow = {"hosts": ["*.example.com", "example.com"]}
        assert "not among the hosts" in await workspace.refusal("web_fetch", url=site.url("/page"), config=narrow)


async def test_a_site_that_is_down_is_for_the_model_to_work_around() -> None:
    async with site_of({}) as site:
        workspace = workspace_of(site)

    assert "The page could not be read" in await workspace.refusal("web_fetch", url=site.url())


async def test_a_deployment_without_a_web_client_says_so() -> None:
    assert "reaches no web pages" in await TestingWorkspace().refusal("web_fetch", url="https://example.com")


async def test_an_offset_behind_the_end_is_explained() -> None:
    async with site_of({"*": page("short")}) as site:
        message = await workspace_of(site).refusal("web_fetch", url=site.url(), offset=1000)

    assert "the text has 5 characters" in message
