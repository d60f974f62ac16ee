"""The `worker` function."""

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request

app = FastAPI(title="Fireloom worker")


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the function serves."""
    return {"status": "ok", "function": "worker"}


@functions_framework.aio.http
async def worker(_request: Request) -> FastAPI:
    """Answer with the application."""
    return app
