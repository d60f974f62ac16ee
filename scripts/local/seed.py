"""Two people and three agents for whoever develops against the local stack."""

from pathlib import Path
from typing import Any, NamedTuple

import httpx

_AGENTS = Path(__file__).parent / "seeds"
_SECONDS = 30


class SeedRefused(RuntimeError):
    """The API did not accept a seeded person or agent."""


class Person(NamedTuple):
    """Someone who exists only in an emulator, with a password that is no secret."""

    username: str
    email: str
    password: str


PEOPLE = (
    Person("ada", "ada@example.com", "weave-the-fire-1"),
    Person("grace", "grace@example.com", "weave-the-fire-2"),
)


def seed(api: str) -> tuple[Person, ...]:
    """Register the people, and give the first of them the agents.

    Args:
        api: The address of the gateway.

    Returns:
        The people, with the passwords that they sign in with.

    Raises:
        SeedRefused: The API refused one; the message holds its answer.
    """
    with httpx.Client(base_url=api, timeout=_SECONDS, trust_env=False) as client:
        for person in PEOPLE:
            _post(client, "/auth/register", json=person._asdict())
        credentials = {"email": PEOPLE[0].email, "password": PEOPLE[0].password}
        token = _post(client, "/auth/login", json=credentials)["id_token"]
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/yaml"}
        for definition in sorted(_AGENTS.glob("*.yaml")):
            _post(client, "/agents", content=definition.read_bytes(), headers=headers)
    return PEOPLE


def _post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, **body)
    if not answer.is_success:
        raise SeedRefused(f"{path} answered {answer.status_code}: {answer.text}")
    return answer.json()
