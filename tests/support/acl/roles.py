"""Who calls, and what each is answered: the columns of the matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from shared.domain.grants import Permission


class Role(StrEnum):
    """A caller, as it stands to the agent, the conversation and the collection of the world."""

    ANONYMOUS = "anonymous"  # carries no token
    STRANGER = "stranger"
    VIEWER = "viewer"  # holds a grant on the agent; the next three as well
    RUNNER = "runner"
    EDITOR = "editor"
    MANAGER = "manager"  # may do what an administrator of the agent may
    FORMER = "former"  # was a manager until the grant expired
    OWNER = "owner"
    READER = "reader"  # is named in `readers` of the conversation
    MODERATOR = "moderator"  # carries the role in the token, and nothing else
    ADMIN = "admin"
    DEACTIVATED = "deactivated"  # holds a grant, is a reader and an administrator, and is shut out


Answers: TypeAlias = Mapping[Role, int]

GRANTED: Mapping[Role, Permission] = {
    Role.VIEWER: Permission.VIEW,
    Role.RUNNER: Permission.RUN,
    Role.EDITOR: Permission.EDIT,
    Role.MANAGER: Permission.ADMIN,
}
SHUT_OUT: Answers = {Role.ANONYMOUS: 401, Role.DEACTIVATED: 401}


@dataclass(frozen=True, slots=True)
class Row:
    """A route with one request, and the status of its answer for each caller.

    Args:
        route: method and path, as in the API's document.
        answers: by caller.
        body: what is sent as JSON, or as it is where it is bytes.
        at: what placeholders of the path mean, where they mean something else than what they are called.
        query: after the path.
        note: tells rows of one route apart.
    """

    route: str
    answers: Answers
    body: Any = None
    at: Mapping[str, str] = field(default_factory=dict[str, str])
    query: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """The row's name in reports."""
        return f"{self.route}{' ' + self.note if self.note else ''}"


def public(status: int) -> Answers:
    """Whoever calls; no token is needed."""
    return dict.fromkeys(Role, status)


def signed_in(status: int, **others: int) -> Answers:
    """Whoever is signed in; `others` names callers that are answered otherwise."""
    return {**dict.fromkeys(Role, status), **SHUT_OUT, **{Role(name): other for name, other in others.items()}}


def granted(needed: Permission, status: int, **others: int) -> Answers:
    """Whoever may do this with the agent; who may only see it is told so, and nobody else that it exists."""
    enough = {role.value: status if held.includes(needed) else 403 for role, held in GRANTED.items()}
    return signed_in(404, **{"owner": status, **enough, **others})


def read(status: int) -> Answers:
    """Who owns the conversation, and its readers."""
    return signed_in(404, owner=status, reader=status)


def owned(status: int) -> Answers:
    """Who owns the conversation; its readers are told so, and nobody else that it exists."""
    return signed_in(404, owner=status, reader=403)


def administered(status: int) -> Answers:
    """Administrators by role."""
    return signed_in(403, admin=status)
