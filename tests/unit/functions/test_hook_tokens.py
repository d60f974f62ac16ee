"""Who may call the hooks: in production only who has Google's signature, whatever else is set."""

from __future__ import annotations

import jwt
import pytest

from functions.auth.hooks import hook_tokens
from shared.adapters.identity_platform.hook_tokens import EmulatorHookTokens, HookTokenVerifier
from shared.domain.errors import Unauthenticated
from shared.settings import load_settings

HERE = {"FIRELOOM_PROJECT": "demo-x", "FIRELOOM_HOOK_BASE_URL": "https://auth.example"}
OTHER_EMULATORS = ["FIRESTORE_EMULATOR_HOST", "CLOUD_TASKS_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST"]


@pytest.mark.parametrize(
    "environ", [{}, {"FIREBASE_AUTH_EMULATOR_HOST": ""}, *({n: "127.0.0.1:1"} for n in OTHER_EMULATORS)]
)
def test_without_the_authentication_emulator_only_signed_tokens_are_believed(environ: dict[str, str]) -> None:
    assert type(hook_tokens(load_settings({**HERE, **environ}))) is HookTokenVerifier


def test_only_beside_the_authentication_emulator_are_its_unsigned_tokens_taken() -> None:
    beside = load_settings({**HERE, "FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:1"})
    assert type(hook_tokens(beside)) is EmulatorHookTokens


async def test_in_production_a_signed_token_is_meant_for_one_of_the_registered_hooks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    meant_for: list[object] = []

    class Keys:
        """Keys that know every token."""

        def get_signing_key_from_jwt(self, token: str) -> str:
            return token

    def decode(*_: object, **rules: object) -> object:
        meant_for.append((rules["audience"], rules["algorithms"], rules["issuer"]))
        raise jwt.InvalidTokenError

    monkeypatch.setattr(HookTokenVerifier, "_keys", Keys())
    monkeypatch.setattr(jwt, "decode", decode)
    with pytest.raises(Unauthenticated):
        await hook_tokens(load_settings(HERE)).verify("token", "beforeCreate")
    hooks = ["https://auth.example/hooks/before_create", "https://auth.example/hooks/before_sign_in"]
    assert meant_for == [(hooks, ["RS256"], "https://securetoken.google.com/demo-x")]
