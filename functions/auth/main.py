"""The `auth` function."""

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request

app = FastAPI(title="Fireloom auth")


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the function serves."""
    return {"status": "ok", "function": "auth"}


@functions_framework.aio.http
async def auth(_request: Request) -> FastAPI:
    """Answer with the application."""
    return app
