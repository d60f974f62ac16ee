"""Who is calling: a Firebase ID token in the Authorization header, verified through the port."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from shared.domain.errors import PermissionDenied, Unauthenticated
from shared.ports.identity import Identity, TokenVerifier

_bearer = HTTPBearer(auto_error=False, scheme_name="bearer", bearerFormat="JWT", description="A Firebase ID token.")


async def authenticated(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Identity:
    """The verified caller.

    Raises:
        Unauthenticated: there is no bearer token, or it does not prove an identity.
    """
    if credentials is None or not credentials.credentials:
        raise Unauthenticated("Send 'Authorization: Bearer <Firebase ID token>'.")
    verifier: TokenVerifier | None = request.app.state.verifier
    if verifier is None:
        raise RuntimeError(f"{request.app.title} was made without a token verifier")
    return await verifier.verify(credentials.credentials)


Caller = Annotated[Identity, Depends(authenticated)]
"""As a route's parameter: the verified caller."""


async def administering(caller: Caller) -> Identity:
    """The verified caller, who is an administrator.

    Raises:
        PermissionDenied: the caller has another role.
    """
    if caller.role != "admin":
        raise PermissionDenied("Only administrators may do this.")
    return caller


Administrator = Annotated[Identity, Depends(administering)]
"""As a route's parameter: the verified caller, an administrator."""
