"""Images and documents of the web, for the tools that look into files."""

from __future__ import annotations

from typing import Any

import pytest

from shared.adapters.egress.client import GuardedWebClient
from shared.adapters.tools.brought_file import name_of
from shared.adapters.tools.web_get import MAX_BYTES
from shared.domain.definition_faults import inspect_definition
from shared.domain.egress import EgressPolicy
from shared.domain.errors import Unavailable
from shared.ports.web_client import WebAnswer, WebRequest
from tests.support.http_sites import Answer, Told, site_of
from tests.support.image_files import image_of
from tests.support.office_files import docx_of
from tests.support.pdf_files import encrypted, pdf_of
from tests.support.workspaces import TestingWorkspace

MANUAL = pdf_of("The anvil weighs ninety kilograms.", title="The anvil")
RULES = docx_of("# Visitors", "Visitors wear a badge.", title="House rules")
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


class Web:
    """Answers each request with the next of some answers."""

    def __init__(self, *answers: WebAnswer | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[WebRequest] = []

    async def send(self, request: WebRequest) -> WebAnswer:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def told(body: bytes, media_type: str = "", status: int = 200, **fields: Any) -> WebAnswer:
    return WebAnswer("https://example.com/a", status, {"content-type": media_type}, body, **fields)


def workspace_of(*answers: WebAnswer | Exception) -> TestingWorkspace:
    return TestingWorkspace(web=Web(*answers))


URL = "https://example.com/files/the%20anvil.png?size=large"
KEPT = name_of(URL)


async def test_an_image_of_the_web_is_described_kept_and_shown_as_it_was_then() -> None:
    workspace = workspace_of(told(image_of(), "image/png"), told(image_of(size=(8, 8)), "image/png"))
    result = await workspace.call("image", url=URL)
    facts: dict[str, Any] = result.content
    assert (facts["path"], facts["version"], facts["format"], facts["width"]) == (KEPT, 1, "PNG", 40)
    assert KEPT.startswith("web/example.com/")
    assert KEPT.endswith("/the anvil.png")
    (attachment,) = result.attachments
    assert (attachment.name, attachment.version, attachment.mime_type) == (KEPT, 1, "image/png")
    before = await workspace.show(attachment)
    assert (await workspace.call("image", url=URL)).content["version"] == 2
    assert await workspace.show(attachment) == before
    assert (await workspace.answer("image", path=KEPT))["width"] == 8


async def test_the_same_content_again_makes_no_new_version() -> None:
    workspace = workspace_of(told(image_of(), "image/png"), told(image_of(), "image/png"))
    assert [(await workspace.answer("image", url=URL))["version"] for _ in range(2)] == [1, 1]


@pytest.mark.parametrize(
    ("body", "media_type", "text"),
    [
        (MANUAL, "application/pdf", "ninety kilograms"),
        (MANUAL, "", "ninety kilograms"),
        (RULES, WORD, "wear a badge"),
        (b"# Plain\n\nText.", "text/markdown", "Text."),
        (b"<html><title>T</title><body><p>Words.</p></body></html>", "text/html; charset=utf-8", "Words."),
    ],
)
async def test_a_document_of_the_web_is_read_whatever_its_format(body: bytes, media_type: str, text: str) -> None:
    workspace = workspace_of(told(body, media_type))
    answer = await workspace.answer("document_analyzer", url="https://example.com/download")
    assert text in answer["text"]
    assert answer["path"] == name_of("https://example.com/download")
    assert (await workspace.answer("document_analyzer", path=answer["path"], offset=1))["characters"] > 0


async def test_a_pdf_is_shown_as_it_is_where_that_is_asked_for() -> None:
    workspace = workspace_of(told(MANUAL, "application/pdf"), told(MANUAL, "application/pdf"), told(RULES, WORD))
    assert (await workspace.call("document_analyzer", url=URL)).attachments == ()
    result = await workspace.call("document_analyzer", url=URL, show=True)
    (attachment,) = result.attachments
    assert (attachment.name, attachment.version, attachment.mime_type) == (KEPT, 1, "application/pdf")
    shown = await workspace.show(attachment)
    assert (shown.mime_type, shown.content) == ("application/pdf", MANUAL)
    word = await workspace.call("document_analyzer", url=f"{URL}&format=docx", show=True)
    assert (word.is_error, word.attachments) == (False, ())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (told(b"nothing here", status=404), "answered 404"),
        (told(image_of()[:60], "image/png"), "image"),
        (told(b"<html>Sign in</html>", "text/html"), "is not an image"),
        (told(b""), "is empty"),
        (told(b"x", truncated=True), f"larger than {MAX_BYTES:,} bytes"),
        (Unavailable("example.com did not answer in time."), "did not answer in time"),
    ],
)
async def test_what_cannot_be_read_is_told_and_keeps_no_node_busy(answer: WebAnswer | Exception, reason: str) -> None:
    assert reason in await workspace_of(answer).refusal("image", url=URL)


async def test_an_encrypted_document_of_the_web_is_told() -> None:
    workspace = workspace_of(told(encrypted(MANUAL, "pass"), "application/pdf"))
    assert "encrypted" in await workspace.refusal("document_analyzer", url=URL)


@pytest.mark.parametrize("tool", ["image", "document_analyzer"])
@pytest.mark.parametrize(
    ("arguments", "config", "reason"),
    [
        ({}, {}, "give either 'path' or 'url'"),
        ({"path": "a.png", "url": URL}, {}, "give either 'path' or 'url'"),
        ({"url": URL}, {"from_web": False}, "reads no files of the web"),
    ],
)
async def test_what_is_not_asked_for_is_not_sent(
    tool: str, arguments: dict[str, Any], config: dict[str, Any], reason: str
) -> None:
    web = Web()
    result = await TestingWorkspace(web=web).call(tool, config, **arguments)
    assert result.is_error
    assert reason in str(result.content)
    assert web.asked == []


async def test_only_the_hosts_of_the_definition_are_asked() -> None:
    web = Web(told(image_of(), "image/png"))
    await TestingWorkspace(web=web).call("image", {"hosts": ["example.com"]}, url=URL)
    assert [request.only_hosts for request in web.asked] == [("example.com",)]


async def test_without_a_way_out_no_address_is_read() -> None:
    assert "reaches no web pages" in await TestingWorkspace().refusal("image", url=URL)


@pytest.mark.loopback
@pytest.mark.parametrize("tool", ["image", "document_analyzer"])
@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:169.254.169.254]/",
        "http://2130706433/a.png",
        "http://localhost/a.png",
        "file:///etc/passwd",
        "gopher://example.com/",
    ],
)
async def test_no_address_inside_is_reached(tool: str, url: str) -> None:
    workspace = TestingWorkspace(web=GuardedWebClient(EgressPolicy()))
    assert await workspace.refusal(tool, url=url)
    assert (await workspace.answer("find"))["paths"] == []


@pytest.mark.loopback
async def test_a_redirect_inside_is_refused() -> None:
    inside: Answer = Told(status=302, headers={"Location": "http://169.254.169.254/"})
    async with site_of({"*": inside}) as site:
        workspace = TestingWorkspace(web=GuardedWebClient(EgressPolicy(frozenset([site.at()]))))
        assert "may not be reached" in await workspace.refusal("image", url=site.url("/a.png"))


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://example.com", "page"),
        ("https://example.com/a/", "page"),
        ("https://example.com/..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("https://example.com/%2e%2e", "page"),
        ("https://example.com/a%00b", "page"),
        ("https://example.com/a%5Cb", "page"),
        ("https://[2001:db8::1]/b.png", "b.png"),
    ],
)
def test_a_file_of_the_web_has_a_safe_name_of_its_own(url: str, name: str) -> None:
    assert name_of(url).rpartition("/")[2] == name
    assert name_of(url).startswith("web/")
    assert name_of(url) == name_of(url) != name_of(f"{url}?")


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        ({}, "graph.nodes.look.arguments"),
        ({"path": "a.png", "url": "https://example.com"}, "graph.nodes.look.arguments"),
        ({"url": "{{ input.text }}"}, None),
        ({"path": "{{ input.text }}"}, None),
        ({"url": "https://example.com"}, None),
    ],
)
def test_a_node_gives_one_of_both(arguments: dict[str, Any], path: str | None) -> None:
    node = {"kind": "tool", "tool": "image", "arguments": arguments}
    definition = {"name": "a", "model": "local:extractive", "type": "graph", "graph": {"nodes": {"look": node}}}
    _, faults = inspect_definition(definition)
    assert [fault.path for fault in faults] == ([path] if path else [])
