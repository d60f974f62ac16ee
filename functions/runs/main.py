"""The `runs` function."""

from typing import cast

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

app = FastAPI(title="Fireloom runs")


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the function serves."""
    return {"status": "ok", "function": "runs"}


@functions_framework.aio.http
async def runs(_request: Request) -> Response:
    """Answer with the application."""
    return cast("Response", app)  # a response is called as an ASGI application is
