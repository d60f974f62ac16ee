"""The JSON Schema of definitions, with which editors complete and check them while they are written."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from shared.domain.definitions import AgentDefinition
from shared.domain.model_specs import PROVIDER_ALIASES, PROVIDERS

SCHEMA_ID = "urn:fireloom:agent-definition:1"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


@cache
def definition_schema() -> dict[str, Any]:
    """The schema; it also takes what may be written in short: a model or a tool as text."""
    schema = AgentDefinition.model_json_schema()
    parts = cast("dict[str, dict[str, Any]]", schema["$defs"])
    providers = (*PROVIDERS, *PROVIDER_ALIASES)
    model = parts["ModelSpec"]
    model["properties"]["provider"]["enum"] = list(providers)
    model["required"] = ["provider"]
    words = "|".join(provider for provider in providers if provider != "default")
    text = {"type": "string", "pattern": f"^(default|({words}):.+)$", "examples": ["local:extractive"]}
    parts["ModelSpec"] = {"title": model["title"], "anyOf": [text, model]}
    tool = parts["ToolUse"]
    parts["ToolUse"] = {"title": tool["title"], "anyOf": [tool["properties"]["name"], tool]}
    return {"$schema": _DIALECT, "$id": SCHEMA_ID, **schema}
