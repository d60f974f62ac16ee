"""Two people and three agents for whoever develops against the local stack."""

from pathlib import Path
from typing import NamedTuple

import httpx

from scripts.local.environment import ADMINISTRATOR
from scripts.local.processes import START_SECONDS
from scripts.local.stack import Stack

_AGENTS = Path(__file__).parent / "seeds"


class SeedRefused(RuntimeError):
    """The API did not accept a seeded person or agent."""


class Person(NamedTuple):
    """Someone who exists only in an emulator, with a password that is no secret."""

    username: str
    email: str
    password: str


PEOPLE = (
    Person("ada", "ada@example.com", "weave-the-fire-1"),
    Person("grace", ADMINISTRATOR, "weave-the-fire-2"),
)


def seed(stack: Stack) -> tuple[Person, ...]:
    """Register the people, make the second an administrator, and give the first the agents.

    Args:
        stack: A stack that serves, with nobody in it yet.

    Returns:
        The people, with the passwords that they sign in with.

    Raises:
        SeedRefused: The API refused one; the message holds its answer.
    """
    with httpx.Client(base_url=stack.api, timeout=START_SECONDS, trust_env=False) as client:
        owner, administrator = (_register(client, person) for person in PEOPLE)
        _prove_address(client, administrator, stack)
        for definition in sorted(_AGENTS.glob("*.yaml")):
            headers = {"Content-Type": "application/yaml", **owner}
            _checked(client.post("/agents", content=definition.read_bytes(), headers=headers))
    return PEOPLE


def _register(client: httpx.Client, person: Person) -> dict[str, str]:
    """Register somebody; the headers that show who they are."""
    answer = _checked(client.post("/auth/register", json=person._asdict()))
    return {"Authorization": f"Bearer {answer.json()['id_token']}"}


def _prove_address(client: httpx.Client, headers: dict[str, str], stack: Stack) -> None:
    """Use the code that the Authentication emulator keeps instead of sending mail."""
    _checked(client.post("/auth/email-verification", headers=headers))
    emulator = stack.settings.ports.emulators.environment["FIREBASE_AUTH_EMULATOR_HOST"]
    path = f"http://{emulator}/emulator/v1/projects/{stack.settings.project}/oobCodes"
    code = _checked(client.get(path)).json()["oobCodes"][-1]["oobCode"]
    _checked(client.post("/auth/email-verification/confirm", json={"code": code}))


def _checked(answer: httpx.Response) -> httpx.Response:
    if not answer.is_success:
        raise SeedRefused(f"{answer.request.url.path} answered {answer.status_code}: {answer.text}")
    return answer
