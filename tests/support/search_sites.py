"""Stubs that speak the protocols of search engines.

Source: https://api-dashboard.search.brave.com/api-reference/web/search/get,
https://docs.tavily.com/documentation/api-reference/endpoint/search
"""

from __future__ import annotations

import html
from typing import Any

from tests.support.http_sites import Asked, Told

KEY = "key-of-the-deployment"


def brave_site(asked: Asked) -> Told:
    """Answers as Brave Search does, with as many results as are asked for."""
    if asked.headers.get("x-subscription-token") != KEY:
        error = {"id": "x", "status": 422, "code": "SUBSCRIPTION_TOKEN_INVALID", "detail": "The token is invalid."}
        return Told.of_json({"type": "ErrorResponse", "error": error}, 422)
    query, count = asked.query["q"], int(asked.query["count"])
    if not 1 <= count <= 20 or not 1 <= len(query) <= 400:
        return Told.of_json({"type": "ErrorResponse", "error": {"code": "VALIDATION", "status": 422}}, 422)
    results: list[dict[str, Any]] = [
        {
            "type": "search_result",
            "title": f"Result {number} for {html.escape(query)}",
            "url": f"https://example.com/{number}",
            "description": f"It &quot;<strong>rings</strong>&quot; {number} times.",
        }
        for number in range(1, count + 1)
    ]
    return Told.of_json({"type": "search", "query": {"original": query}, "web": {"type": "search", "results": results}})


def tavily_site(asked: Asked) -> Told:
    """Answers as Tavily does."""
    if asked.headers.get("authorization") != f"Bearer {KEY}":
        return Told.of_json({"detail": {"error": "Unauthorized: missing or invalid API key."}}, 401)
    body = asked.json
    if not 0 <= body["max_results"] <= 20 or not body["query"]:
        return Told.of_json({"detail": {"error": "Invalid request."}}, 400)
    results: list[dict[str, Any]] = [
        {
            "title": f"Result {number} for {html.escape(body['query'])}",
            "url": f"https://example.com/{number}",
            "content": f'It "rings" {number} times.',
            "score": 0.9,
            "raw_content": None,
        }
        for number in range(1, body["max_results"] + 1)
    ]
    return Told.of_json(
        {"query": body["query"], "answer": None, "images": [], "results": results, "response_time": 0.5}
    )
