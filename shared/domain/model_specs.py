"""The model that an agent asks, and the script of the one that needs none."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, StringConstraints, model_validator

from shared.domain.definition_parts import Strict

PROVIDERS = ("google", "google-cloud", "anthropic", "anthropic-vertex", "local", "default")
PROVIDER_ALIASES = {"vertex-gemini": "google-cloud", "vertex-anthropic": "anthropic-vertex"}


class ScriptedCall(Strict):
    """A tool call that `local:scripted` makes."""

    name: str
    arguments: dict[str, Any] = Field(default_factory=dict)


class ScriptedError(Strict):
    """An error that `local:scripted` raises: before any output, or after `after_chunks` chunks."""

    status: int = Field(default=503, ge=400, le=599)
    message: str = "scripted error"
    after_chunks: int | None = Field(default=None, ge=0)
    until_attempt: int | None = Field(default=None, ge=1, description="Raise only in the node's first n attempts.")


class ScriptedRule(Strict):
    """What `local:scripted` answers when the last user text (or tool result) matches `when`.

    The first rule that matches answers. A rule with `calls` calls the tools first and, once their results are there,
    streams `chunks`.
    """

    when: str = Field(default="", description="Part of the last user text, any case; empty matches always.")
    chunks: tuple[str, ...] = ()
    repeat: int = Field(default=1, ge=1, le=10_000, description="Stream the chunks this many times over.")
    delay_seconds: float = Field(default=0.0, ge=0, le=60, description="Pause before each chunk.")
    calls: tuple[ScriptedCall, ...] = ()
    error: ScriptedError | None = None


class ModelSpec(Strict):
    """The model that an agent asks. In a definition also as text, `provider:model`.

    `default` is the model that the deployment has chosen for agents that choose none.
    """

    provider: Literal["google", "google-cloud", "anthropic", "anthropic-vertex", "local", "default"]
    model: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    max_tokens: int | None = Field(default=None, ge=1, le=1_000_000)
    seed: int | None = None
    stop_sequences: tuple[str, ...] | None = None
    request_timeout_seconds: float = Field(default=120.0, gt=0, le=1200)
    script: tuple[ScriptedRule, ...] = Field(default=(), description="Only for local:scripted.")
    usd_micros_per_token: int = Field(
        default=0, ge=0, le=1_000_000, description="Only for local:scripted: what it says that a token costs."
    )
    fallbacks: tuple[ModelSpec, ...] = Field(
        default=(), max_length=3, description="Asked in this order while those before are overloaded or down."
    )

    @property
    def chain(self) -> tuple[ModelSpec, ...]:
        """The model, then those that answer in its place."""
        return (self, *self.fallbacks)

    @property
    def full_name(self) -> str:
        """`provider:model`."""
        return f"{self.provider}:{self.model}"

    @model_validator(mode="after")
    def _fallbacks_have_none(self) -> Self:
        if any(fallback.fallbacks for fallback in self.fallbacks):
            raise ValueError("a fallback has no fallbacks of its own: list them all in the first model")
        return self

    @model_validator(mode="before")
    @classmethod
    def _accept_text_and_old_names(cls, value: Any) -> Any:
        if isinstance(value, str):
            provider, _, model = value.partition(":")
            value = {"provider": provider, "model": model}
        if isinstance(value, dict):
            fields = cast(dict[str, Any], value)
            old = fields.get("provider")
            if old == "default" and not fields.get("model"):
                return {**fields, "model": "default"}
            return {**fields, "provider": PROVIDER_ALIASES.get(str(old), old)}
        return value
