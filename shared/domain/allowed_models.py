"""Which models a deployment runs, and which it asks for agents that leave the choice to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from shared.domain.definitions import AgentDefinition, SubAgent
from shared.domain.errors import FailedPrecondition, Fault, InvalidArgument
from shared.domain.graph_definitions import AgentNode, parts_of
from shared.domain.model_catalog import CATALOG
from shared.domain.model_specs import ModelSpec
from shared.domain.suggestions import closest

LOCAL_DEFAULT = "local:extractive"


@dataclass(frozen=True, slots=True)
class AllowedModels:
    """A deployment's choice of models.

    Args:
        patterns: globs over `provider:model`, of which one must match; `*` stands for any text.
        default: the `provider:model` that `default` means.
    """

    patterns: tuple[str, ...] = ("*",)
    default: str = LOCAL_DEFAULT

    def allows(self, full_name: str) -> bool:
        """Whether a model may be asked."""
        return any(fnmatchcase(full_name, pattern) for pattern in self.patterns)

    def resolve(self, spec: ModelSpec) -> ModelSpec:
        """The model that a definition means: where it says `default`, the deployment's own.

        Raises:
            FailedPrecondition: this deployment does not run it.
        """
        if spec.provider == "default":
            provider, _, model = self.default.partition(":")
            chosen: dict[str, Any] = {**spec.model_dump(), "provider": provider, "model": model}
            spec = ModelSpec.model_validate(chosen)
        if not self.allows(spec.full_name):
            raise FailedPrecondition(f"{spec.full_name} is not among the models that this deployment runs.")
        return spec

    def faults(self, definition: AgentDefinition) -> tuple[Fault, ...]:
        """The models of a definition that may not be asked."""
        return tuple(
            Fault(path, "is not among the models that this deployment runs", self._instead_of(spec.full_name))
            for path, spec in models_of(definition)
            if spec.provider != "default" and not self.allows(spec.full_name)
        )

    def check(self, definition: AgentDefinition) -> None:
        """Let a definition pass whose models may all be asked.

        Raises:
            InvalidArgument: with each one that may not.
        """
        if faults := self.faults(definition):
            raise InvalidArgument("The definition names models that this deployment does not run.", faults)

    def _instead_of(self, full_name: str) -> str:
        """A model that is allowed, as much like the one that is not as there is."""
        known = [name for name in CATALOG if self.allows(name)]
        return closest(full_name, known) or next(iter(known), "default")


def models_of(definition: AgentDefinition) -> Iterator[tuple[str, ModelSpec]]:
    """Every model that a definition names, with its path."""
    yield from _chain("model", definition.model)
    yield from _below("agents", definition.agents)
    for path, part in parts_of("graph.nodes", definition.graph.nodes) if definition.graph else ():
        if isinstance(part, AgentNode) and part.model is not None:
            yield from _chain(f"{path}.model", part.model)


def _below(path: str, agents: dict[str, SubAgent]) -> Iterator[tuple[str, ModelSpec]]:
    for name, agent in agents.items():
        if agent.model is not None:
            yield from _chain(f"{path}.{name}.model", agent.model)
        yield from _below(f"{path}.{name}.agents", agent.agents)


def _chain(path: str, spec: ModelSpec) -> Iterator[tuple[str, ModelSpec]]:
    yield path, spec
    for place, fallback in enumerate(spec.fallbacks):
        yield f"{path}.fallbacks.{place}", fallback
