"""The Admin SDK, imported and started on first use: it takes half a second that a cold start should not wait for.

Its calls block, so they run in threads. It reads FIREBASE_AUTH_EMULATOR_HOST itself.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from shared.domain.errors import NotFound, Unavailable

if TYPE_CHECKING:
    import firebase_admin

T = TypeVar("T")

TIMEOUT_SECONDS = 10

_numbers = itertools.count()


class AdminSdk:
    """The Admin SDK's Authentication client of one project."""

    def __init__(self, project: str) -> None:
        """Name the project; nothing is imported yet."""
        self._project = project

    async def verify_id_token(self, token: str) -> Mapping[str, Any]:
        """The claims of an ID token whose signature, life and project are right.

        Raises:
            ValueError: the token is not valid.
            Unavailable: Google's certificates cannot be read.
        """
        return await asyncio.to_thread(self._verify, token)

    async def call(self, work: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Run a function of `firebase_admin.auth` in a thread.

        Raises:
            NotFound: there is no such account.
            Unavailable: Identity Platform does not answer, or refuses this service's identity.
        """
        from firebase_admin import auth
        from firebase_admin.exceptions import FirebaseError
        from google.auth.exceptions import GoogleAuthError

        try:
            return await asyncio.to_thread(work, *args, app=self.app, **kwargs)
        except auth.UserNotFoundError as error:
            raise NotFound("There is no such account.") from error
        except (FirebaseError, GoogleAuthError) as error:
            raise Unavailable("Identity Platform does not answer as it should.") from error

    @cached_property
    def app(self) -> firebase_admin.App:
        """The SDK's app, of this client alone: the SDK keeps a process-wide table of them by name."""
        import firebase_admin

        options = {"projectId": self._project, "httpTimeout": TIMEOUT_SECONDS}
        return firebase_admin.initialize_app(options=options, name=f"fireloom-{next(_numbers)}")

    def _verify(self, token: str) -> Mapping[str, Any]:
        from firebase_admin import auth
        from google.auth.exceptions import GoogleAuthError

        try:
            claims: Mapping[str, Any] = auth.verify_id_token(token, app=self.app)
        except (auth.CertificateFetchError, GoogleAuthError) as error:
            raise Unavailable("Google's certificates cannot be read.") from error
        except auth.InvalidIdTokenError as error:
            raise ValueError(str(error)) from error
        return claims
