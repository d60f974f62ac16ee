"""What search engines have in common: a question over HTTP, and an answer in JSON or a refusal."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from shared.domain.errors import FailedPrecondition, ResourceExhausted, Unavailable
from shared.ports.web_client import WebClient, WebRequest
from shared.ports.web_search import SearchHit

MAX_BYTES = 2 * 1024 * 1024
SECONDS = 20.0
_TAG = re.compile(r"<[^<>]{0,200}>")
_REFUSED = frozenset({400, 401, 402, 403, 404, 422})


async def ask(web: WebClient, request: WebRequest, engine: str, *, quota: frozenset[int] = frozenset()) -> Any:
    """The decoded answer; refusals are told without what was sent, which holds the key.

    Args:
        web: sends the request.
        request: to send.
        engine: its name, for messages.
        quota: statuses by which the engine says that its quota is used up, besides 429.

    Raises:
        FailedPrecondition: the engine refuses the request or the key.
        ResourceExhausted: too many requests, or the quota is used up.
        Unavailable: it is down, or answers something else.
    """
    answer = await web.send(request)
    if answer.status == 429 or answer.status in quota:  # noqa: PLR2004 - HTTP's own number
        wait = answer.headers.get("retry-after", "")
        seconds = float(wait) if wait.isdecimal() else None
        raise ResourceExhausted(f"{engine} takes no more searches at the moment.", retry_after_seconds=seconds)
    if answer.status in _REFUSED:
        raise FailedPrecondition(f"{engine} refused the search ({answer.status}); see the deployment's settings.")
    if not answer.is_success or answer.truncated:
        raise Unavailable(f"{engine} answered {answer.status}.")
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise Unavailable(f"{engine} answered something else than JSON.") from error


def hits_in(found: Any, path: Sequence[str], *, excerpt: str) -> list[SearchHit]:
    """The results at a path of an answer; what has no address is left out.

    Args:
        found: the decoded answer.
        path: the keys that lead to the list.
        excerpt: the key of a result's text.
    """
    for key in path:
        found = cast("Mapping[str, Any]", found).get(key) if isinstance(found, Mapping) else None
    results = cast("list[Any]", found) if isinstance(found, list) else []
    fields = [cast("Mapping[str, Any]", result) for result in results if isinstance(result, Mapping)]
    return [
        SearchHit(_plain(one.get("title")), str(one["url"]), _plain(one.get(excerpt)))
        for one in fields
        if isinstance(one.get("url"), str)
    ]


def _plain(text: Any) -> str:
    """Text without marks of HTML."""
    return html.unescape(_TAG.sub("", text)).strip() if isinstance(text, str) else ""
