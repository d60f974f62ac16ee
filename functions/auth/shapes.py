"""What the `auth` function's bodies and answers look like."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from shared.domain.users import (
    MAX_DISPLAY_NAME_CHARACTERS,
    MAX_PASSWORD_CHARACTERS,
    MIN_PASSWORD_CHARACTERS,
    Role,
    User,
    display_name_fault,
    email_fault,
    password_fault,
    username_fault,
)
from shared.ports.accounts import Tokens
from shared.usecases.users.sign_in_user import SignedIn


def _free_of(fault: Callable[[str], str | None]) -> AfterValidator:
    """Check a text by a rule of the domain, so that its fault comes together with all others of the body."""

    def check(text: str) -> str:
        reason = fault(text)
        if reason:
            raise ValueError(reason)
        return text

    return AfterValidator(check)


Email = Annotated[str, _free_of(email_fault), Field(examples=["ada@example.com"])]
Password = Annotated[
    str,
    _free_of(password_fault),
    Field(
        json_schema_extra={
            "minLength": MIN_PASSWORD_CHARACTERS,
            "maxLength": MAX_PASSWORD_CHARACTERS,
            "format": "password",
        }
    ),
]
Username = Annotated[
    str,
    _free_of(username_fault),
    Field(
        description="Unique in any case: 3 to 30 letters, digits, '.', '_' or '-'; a letter or digit at each end.",
        examples=["ada"],
    ),
]
DisplayName = Annotated[
    str,
    _free_of(display_name_fault),
    Field(json_schema_extra={"maxLength": MAX_DISPLAY_NAME_CHARACTERS}, examples=["Ada Lovelace"]),
]
Secret = Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_CHARACTERS)]


class Body(BaseModel):
    """A body in which unknown fields are faults."""

    model_config = ConfigDict(extra="forbid")


class RegisterBody(Body):
    """A person who registers."""

    email: Email
    password: Password
    username: Username
    display_name: DisplayName | None = None


class LoginBody(Body):
    """A person who signs in; `email` may hold a username too."""

    email: str | None = Field(default=None, min_length=1, max_length=254)
    username: str | None = Field(default=None, min_length=1, max_length=254)
    password: Secret


class RefreshBody(Body):
    """A refresh token."""

    refresh_token: Secret


class EmailBody(Body):
    """An email address."""

    email: Email


class CodeBody(Body):
    """The code from a message."""

    code: Secret


class NewPasswordBody(CodeBody):
    """The code from a message, and the password to set."""

    new_password: Password


class ProfileBody(Body):
    """What to change about oneself; a field that is left out stays. A display name of null removes it."""

    username: Username | None = None
    display_name: DisplayName | None = None


class UserShape(BaseModel):
    """A person."""

    uid: str
    username: str | None = Field(description="null until its owner chooses one with PUT /users/me.")
    email: str | None
    display_name: str | None
    role: Role
    is_active: bool
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, user: User) -> UserShape:
        """The shape of `user`."""
        return cls.model_validate(user, from_attributes=True)


class OwnShape(UserShape):
    """Oneself."""

    email_verified: bool


class TokensShape(BaseModel):
    """Tokens; send the first as `Authorization: Bearer …`."""

    id_token: str
    refresh_token: str
    expires_in: int = Field(description="Seconds.")

    @classmethod
    def of(cls, tokens: Tokens) -> TokensShape:
        """The shape of `tokens`."""
        return cls(
            id_token=tokens.id_token,
            refresh_token=tokens.refresh_token,
            expires_in=tokens.expires_in_seconds,
        )


class SignedInShape(TokensShape):
    """A person with tokens."""

    user: UserShape

    @classmethod
    def of_person(cls, signed_in: SignedIn) -> SignedInShape:
        """The shape of a person who signed in."""
        tokens = TokensShape.of(signed_in.tokens)
        return cls(**tokens.model_dump(), user=UserShape.of(signed_in.user))


class AcceptedShape(BaseModel):
    """That a message will be sent if there is somebody to send it to."""

    status: str = "accepted"
