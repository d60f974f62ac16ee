"""The `sweeper` function."""

import functions_framework.aio
from fastapi import FastAPI
from starlette.requests import Request

app = FastAPI(title="Fireloom sweeper")


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that the function serves."""
    return {"status": "ok", "function": "sweeper"}


@functions_framework.aio.http
async def sweeper(_request: Request) -> FastAPI:
    """Answer with the application."""
    return app
