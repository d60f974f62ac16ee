"""Get what stands at an address, for the tools that read it."""

from __future__ import annotations

from shared.domain.errors import FailedPrecondition, Unavailable
from shared.ports.web_client import WebAnswer, WebClient, WebRequest

MAX_BYTES = 5 * 1024 * 1024
SECONDS = 30.0


async def get_from_web(web: WebClient | None, url: str, hosts: tuple[str, ...], accept: str) -> WebAnswer:
    """A successful answer, perhaps cut off; of the hosts that the definition names, if it names some.

    Raises:
        FailedPrecondition: there is none, and why.
        shared.domain.errors.EgressRefused: the address may not be reached.
    """
    if web is None:
        raise FailedPrecondition("This deployment reaches no web pages. Go on without, and say so in your answer.")
    request = WebRequest(
        url, headers={"Accept": accept}, max_bytes=MAX_BYTES, seconds=SECONDS, only_hosts=hosts or None
    )
    try:
        answer = await web.send(request)
    except Unavailable as error:
        # A site that is down is for the model to work around, not a reason to run the node again.
        raise FailedPrecondition(f"The page could not be read: {error.message}") from error
    if not answer.is_success:
        raise FailedPrecondition(f"The page could not be read: {answer.url[:500]!a} answered {answer.status}.")
    return answer


def check_whole(answer: WebAnswer) -> None:
    """Refuse what was cut off, where a part is of no use.

    Raises:
        FailedPrecondition: it is larger than MAX_BYTES.
    """
    if answer.truncated:
        raise FailedPrecondition(f"The document is larger than {MAX_BYTES:,} bytes.")
