"""The egress guard on real sockets: what is connected to, what is sent there, and how much is read."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack

import httpx2
import pytest

from shared.adapters.egress.client import GuardedWebClient
from shared.adapters.egress.resolver import resolve_with_system
from shared.domain.egress import EgressPolicy
from shared.domain.errors import EgressRefused, Unavailable
from shared.ports.web_client import WebAnswer, WebRequest
from tests.support.http_sites import Asked, Site, Told, site_of

pytestmark = pytest.mark.loopback

SECRETS = {"Authorization": "Bearer secret", "X-Api-Key": "secret", "Cookie": "a=secret", "Accept-Language": "de"}


class Names:
    """A resolver that a test writes; it remembers what it was asked."""

    def __init__(self, **answers: str | list[str]) -> None:
        self.answers: Mapping[str, str | list[str]] = {name.replace("_", "."): told for name, told in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> tuple[str, ...]:
        """Texts are always answered, lists one element after the other."""
        self.asked.append(host)
        if host[0].isdigit():
            return (host,)
        told = self.answers.get(host)
        if told is None:
            raise OSError(host, port)
        return tuple((told if isinstance(told, str) else told.pop(0)).split())


def client_of(*sites: tuple[str, int], names: Names | None = None) -> GuardedWebClient:
    return GuardedWebClient(EgressPolicy(frozenset(sites)), names or Names(a_test="127.0.0.1", b_test="127.0.0.1"))


async def test_a_request_arrives_as_it_was_meant_and_the_answer_comes_back_whatever_its_status() -> None:
    async with site_of(
        {"/a%2Fb": lambda asked: Told(asked.body, 418, {"Content-Type": "Text/Plain; charset=x"})}
    ) as site:
        request = WebRequest(site.url("/a%2Fb?q=%20"), "POST", {"X-Api-Key": "k"}, b"content")

        answer = await client_of(site.at()).send(request)

    assert (answer.status, answer.body, answer.media_type, answer.is_success) == (418, b"content", "text/plain", False)
    asked = site.asked[0]
    assert (asked.method, asked.target, asked.headers["x-api-key"]) == ("POST", "/a%2Fb?q=%20", "k")
    assert asked.headers["host"] == f"127.0.0.1:{site.port}"


async def test_the_loopback_address_is_reached_only_where_it_is_named() -> None:
    async with site_of({"*": Told(b"inside")}) as site:
        with pytest.raises(EgressRefused):
            await client_of().send(WebRequest(site.url()))
        with pytest.raises(EgressRefused):
            await client_of(("127.0.0.1", site.port + 1)).send(WebRequest(site.url()))

    assert site.asked == []


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fe80::1%1"]
)
async def test_a_name_that_leads_inside_is_refused_before_anything_is_sent(address: str) -> None:
    async with site_of({"*": Told(b"inside")}) as site:
        client = client_of(names=Names(evil_test=address))

        with pytest.raises(EgressRefused, match=r"evil\.test"):
            await client.send(WebRequest(f"http://evil.test:{site.port}/"))

    assert site.asked == []


async def test_a_name_with_a_good_and_a_bad_address_is_refused() -> None:
    client = client_of(names=Names(evil_test="93.184.216.34 127.0.0.1"))

    with pytest.raises(EgressRefused, match="loopback"):
        await client.send(WebRequest("http://evil.test/"))


async def test_a_name_is_resolved_once_so_that_it_cannot_change_between_check_and_connection() -> None:
    """The second answer of this name is another site: it must never be asked."""
    async with site_of({"*": Told(b"first")}) as first:
        names = Names(rebind_test=["127.0.0.1", "127.0.0.2"])
        client = client_of(("rebind.test", first.port), names=names)

        answer = await client.send(WebRequest(f"http://rebind.test:{first.port}/"))

    assert (answer.body, names.asked) == (b"first", ["rebind.test"])


async def test_a_name_that_turns_inside_after_a_redirect_is_refused_then() -> None:
    """Allowed while it is resolved for the first time, the metadata server at the second."""
    async with site_of({"/": Told.redirect("/again"), "/again": Told(b"inside")}) as site:
        names = Names(rebind_test=["127.0.0.1", "169.254.169.254"])
        client = client_of(("rebind.test", site.port), names=names)

        with pytest.raises(EgressRefused):
            await client.send(WebRequest(f"http://rebind.test:{site.port}/"))

    assert [asked.path for asked in site.asked] == ["/"]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:1/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:7f00:1]/",
        "http://2130706433/",
        "http://inside.test/",
        "http://user:pass@b.test/",
        "//127.0.0.1/",
        "file:///etc/passwd",
        "gopher://b.test/",
        "http://b.test:22/",
        "http://\\127.0.0.1/",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_judged_like_any_address(location: str, status: int) -> None:
    async with site_of({"*": Told.redirect(location, status)}) as site:
        names = Names(a_test="127.0.0.1", b_test="93.184.216.34", inside_test="10.1.2.3")
        client = client_of(("a.test", site.port), names=names)

        with pytest.raises((EgressRefused, Unavailable)):
            await client.send(WebRequest(site.url(host="a.test")))

    assert len(site.asked) == 1


async def test_what_may_be_a_credential_stays_with_the_host_that_it_was_meant_for() -> None:
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(site_of({"*": Told(b"second")}))
        first = await stack.enter_async_context(
            site_of({"/": Told.redirect("/same"), "/same": Told.redirect(second.url(host="b.test"))})
        )
        client = client_of(first.at("a.test"), second.at("b.test"))

        answer = await client.send(WebRequest(first.url(host="a.test"), headers=SECRETS))

    assert (answer.body, answer.url) == (b"second", second.url(host="b.test"))
    assert [asked.headers.get("x-api-key") for asked in first.asked] == ["secret", "secret"]
    assert "secret" not in str(second.asked[0].headers)
    assert second.asked[0].headers["accept-language"] == "de"


async def test_a_redirect_leads_only_to_chosen_hosts() -> None:
    async with site_of({"*": Told(b"far")}) as far, site_of({"*": Told.redirect(far.url(host="b.test"))}) as site:
        client, url = client_of(site.at("a.test"), far.at("b.test")), site.url(host="a.test")

        assert (await client.send(WebRequest(url, only_hosts=("*.test", "x.org")))).body == b"far"
        for chosen in (("a.test",), ("A.test.",), ("*.b.test", "*.a.test", "a.test")):
            with pytest.raises(EgressRefused, match=r"'b\.test' is not among the hosts"):
                await client.send(WebRequest(url, only_hosts=chosen))

    assert len(far.asked) == 1


async def test_another_port_of_the_same_host_is_another_host() -> None:
    async with site_of({"*": Told()}) as second, site_of({"*": Told.redirect(second.url())}) as first:
        await client_of(first.at(), second.at()).send(WebRequest(first.url(), headers=SECRETS))

    assert "secret" not in str(second.asked[0].headers)


async def test_only_a_get_is_redirected() -> None:
    async with site_of({"*": Told.redirect("/elsewhere", 307)}) as site:
        answer = await client_of(site.at()).send(WebRequest(site.url(), "POST", SECRETS, b"secret"))

    assert (answer.status, answer.headers["location"], len(site.asked)) == (307, "/elsewhere", 1)


async def test_redirects_without_an_end_are_given_up() -> None:
    async with site_of({"*": Told.redirect("/")}) as site:
        with pytest.raises(Unavailable, match="redirects more than 3 times"):
            await client_of(site.at()).send(WebRequest(site.url(), max_redirects=3))

    assert len(site.asked) == 4


@pytest.mark.parametrize("location", ["http://", "http://[", "http://a.test:99999/", "http://\udcff/"])
async def test_a_redirect_that_is_no_address_is_an_error_and_no_crash(location: str) -> None:
    headers = {"Location": location.encode("utf-8", "surrogateescape").decode("latin-1")}
    async with site_of({"*": lambda asked: Told(b"", 302, headers) if asked.path == "/" else Told()}) as site:
        with pytest.raises((EgressRefused, Unavailable)):
            await client_of(site.at()).send(WebRequest(site.url()))


async def forever() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65_536


async def test_an_answer_without_an_end_is_read_to_the_bound_and_left() -> None:
    async with site_of({"*": Told(parts=forever)}) as site:
        answer = await client_of(site.at()).send(WebRequest(site.url(), max_bytes=100_000))

    assert (len(answer.body), answer.truncated) == (100_000, True)


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_compressed_answer_is_read_and_a_bomb_does_no_harm(
    encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    bomb = pack(bytes(200_000_000))
    async with site_of({"*": Told(bomb, headers={"Content-Encoding": encoding})}) as site:
        answer = await client_of(site.at()).send(WebRequest(site.url(), max_bytes=1000))

    assert len(bomb) < 300_000
    assert (answer.body, answer.truncated) == (bytes(1000), True)


async def test_packing_upon_packing_is_refused() -> None:
    async with site_of({"*": Told(b"", headers={"Content-Encoding": "gzip, gzip"})}) as site:
        with pytest.raises(Unavailable, match="DecodingError"):
            await client_of(site.at()).send(WebRequest(site.url()))


async def silence() -> AsyncIterator[bytes]:
    yield b"x"
    await asyncio.Event().wait()


async def test_a_site_that_falls_silent_is_left_in_time() -> None:
    async with site_of({"*": Told(parts=silence)}) as site:
        with pytest.raises(Unavailable, match=r"did not answer within 0\.2 seconds"):
            await client_of(site.at()).send(WebRequest(site.url(), seconds=0.2))


@pytest.mark.parametrize(
    ("told", "body"),
    [
        (Told(parts=silence), b"x"),
        (Told(b"thanks", headers={"Content-Length": "99"}), b"thanks"),
        (Told(b"no gzip", headers={"Content-Encoding": "gzip"}), b""),
    ],
)
async def test_where_the_status_counts_what_becomes_of_the_content_does_not(told: Told, body: bytes) -> None:
    async with site_of({"*": told}) as site:
        answer = await client_of(site.at()).send(WebRequest(site.url(), seconds=5, content_seconds=0.2))

        assert (answer.status, answer.body, answer.truncated) == (200, body, True)
        with pytest.raises(Unavailable):
            await client_of(site.at()).send(WebRequest(site.url(), seconds=0.2))


async def test_where_the_status_counts_it_has_its_time() -> None:
    async with site_of({"*": Told(b"all of it")}) as site:
        answer = await client_of(site.at()).send(WebRequest(site.url(), content_seconds=5))
    assert (answer.body, answer.truncated) == (b"all of it", False)

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until whoever asks goes
        writer.close()
        left.set()

    left = asyncio.Event()
    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        at = server.sockets[0].getsockname()
        with pytest.raises(Unavailable, match="did not answer within"):
            await client_of(at).send(WebRequest(f"http://127.0.0.1:{at[1]}/", seconds=0.2, content_seconds=5))
        await left.wait()


async def test_a_name_without_an_address_a_closed_port_and_nonsense_are_told_apart() -> None:
    async with site_of({"*": Told(headers={"Content-Length": "x"})}) as site:
        closed = site.at()
        with pytest.raises(Unavailable, match="no answer that can be read"):
            await client_of(closed).send(WebRequest(site.url()))
    with pytest.raises(Unavailable, match="cannot be reached"):
        await client_of(closed).send(WebRequest(site.url()))
    with pytest.raises(Unavailable, match="cannot be reached"):
        await client_of(names=Names()).send(WebRequest("http://nowhere.test/"))


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site_of({"*": Told(b"proxy")}) as proxy, site_of({"*": Told(b"site")}) as site:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url())

        answer = await client_of(site.at(), proxy.at()).send(WebRequest(site.url()))

    assert (answer.body, proxy.asked) == (b"site", [])


async def test_no_address_is_logged_whatever_the_level(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with site_of({"*": Told()}) as site:
        await client_of(site.at()).send(WebRequest(site.url("/?key=secret")))

    assert "secret" not in caplog.text


async def test_one_call_leaves_nothing_for_the_next() -> None:
    async with site_of({"*": Told(headers={"Set-Cookie": "id=ada; Path=/"})}) as site:
        client = client_of(site.at())
        await client.send(WebRequest(site.url()))
        await client.send(WebRequest(site.url()))

    assert [asked.headers.get("cookie") for asked in site.asked] == [None, None]


async def test_a_cookie_that_comes_with_a_redirect_is_shown_to_its_own_site_alone() -> None:
    async with AsyncExitStack() as stack:
        second = await stack.enter_async_context(site_of({"*": Told(b"second")}))
        cookie = {"Set-Cookie": "id=ada; Path=/"}
        first = await stack.enter_async_context(
            site_of(
                {
                    "/": Told(status=302, headers={"Location": "/same", **cookie}),
                    "/same": Told.redirect(second.url(host="b.test")),
                }
            )
        )
        client = client_of(first.at("a.test"), second.at("b.test"))

        await client.send(WebRequest(first.url(host="a.test"), headers={"Cookie": "a=secret"}))
        await client.send(WebRequest(first.url("/same", host="a.test")))

    assert [asked.headers.get("cookie") for asked in first.asked] == ["a=secret", "id=ada", None]
    assert [asked.headers.get("cookie") for asked in second.asked] == [None, None]


async def test_each_request_has_a_connection_of_its_own_which_ends_with_its_answer() -> None:
    """Also where the site would keep it, and where the answer is longer than what is read of it."""
    ended: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: keep-alive\r\n\r\nan answer")
        await ended.put(await reader.read())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        at: tuple[str, int] = server.sockets[0].getsockname()
        client = client_of(at)
        requests = [WebRequest(f"http://127.0.0.1:{at[1]}/", max_bytes=most) for most in (9, 9, 2)]

        answers = [(await client.send(request)).body for request in requests]
        said_after = [await ended.get() for _ in requests]

    assert (answers, said_after) == ([b"an answer", b"an answer", b"an"], [b"", b"", b""])


async def open_and_get(site: Site, names: Names, url: str, max_bytes: int = 1000) -> httpx2.Response:
    policy = EgressPolicy(frozenset({site.at(), site.at("a.test")}))
    async with GuardedWebClient(policy, names).open(max_response_bytes=max_bytes, seconds=5) as client:
        return await client.get(url)


async def test_a_library_with_its_own_client_is_guarded_alike() -> None:
    def reply(asked: Asked) -> Told:
        return {
            "/long": Told(bytes(1001)),
            "/packed": Told(gzip.compress(b"x"), headers={"Content-Encoding": "gzip"}),
            "/away": Told.redirect("http://127.0.0.1:1/"),
        }.get(asked.path, Told(b"short"))

    names = Names(a_test="127.0.0.1", inside_test="10.0.0.1")
    async with site_of({"*": reply}) as site:
        assert (await open_and_get(site, names, site.url(host="a.test"))).content == b"short"
        assert (await open_and_get(site, names, site.url("/away"))).status_code == 302
        with pytest.raises(httpx2.ReadError, match="too long"):
            await open_and_get(site, names, site.url("/long"))
        with pytest.raises(httpx2.DecodingError):
            await open_and_get(site, names, site.url("/packed"))
        for url in ("http://inside.test/", "http://127.0.0.1:1/", f"http://x:y@127.0.0.1:{site.port}/"):
            with pytest.raises(EgressRefused):
                await open_and_get(site, names, url)


async def test_the_system_resolves_an_address_to_itself() -> None:
    assert await resolve_with_system("127.0.0.1", 80) == ("127.0.0.1",)
    assert await resolve_with_system("::1", 80) == ("::1",)


def test_what_is_sent_and_what_came_back_is_not_shown_by_accident() -> None:
    shown = repr(WebRequest("https://example.com", headers=SECRETS, body=b"secret"))

    assert "secret" not in shown
    assert WebAnswer("https://example.com", 200, {}, b"").media_type == ""
