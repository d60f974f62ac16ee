"""The edge where Pub/Sub delivers: whose token, and what the message says.

Pub/Sub puts a token of its service account on each delivery, in the `Authorization` header. Its emulator puts none, so
beside it, and nowhere else, the token may stand in the address to which the subscription pushes.

Source: https://cloud.google.com/pubsub/docs/authenticate-push-subscriptions
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from shared.edge.tasks import delivered_by

_bearer = HTTPBearer(auto_error=False, scheme_name="oidc", bearerFormat="JWT", description="Pub/Sub's OIDC token.")


class PushedMessage(BaseModel):
    """A message, as Pub/Sub wraps it; what else is in it is of no use here."""

    data: str = Field(max_length=1 << 20, description="Base64.")
    message_id: str | None = Field(default=None, alias="messageId")


class Push(BaseModel):
    """A delivery of a subscription."""

    message: PushedMessage

    def read(self) -> dict[str, Any] | None:
        """The message's JSON object; None where it is something else."""
        try:
            value = json.loads(base64.b64decode(self.message.data, validate=True))
        except (binascii.Error, ValueError, RecursionError):
            return None
        return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def admit_tokens_in_addresses(app: FastAPI) -> None:
    """Let tokens stand in addresses: only beside emulators."""
    app.state.tokens_in_addresses = True


async def pushed_by(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str:
    """The email of the service account that pushes.

    Raises:
        Unauthenticated: the token is missing or is not the subscription's.
    """
    if credentials is None and getattr(request.app.state, "tokens_in_addresses", False):
        token = request.query_params.get("token", "")
        credentials = HTTPAuthorizationCredentials(scheme="Bearer", credentials=token)
    return await delivered_by(request, credentials)


Pusher = Annotated[str, Depends(pushed_by)]
"""As a route's parameter: the verified service account that pushes a message."""
