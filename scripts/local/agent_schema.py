"""Writes the JSON Schema of definitions to docs/, where editors find it: `python -m scripts.local.agent_schema`."""

import json

from scripts.local.paths import ROOT
from shared.domain.definition_schema import definition_schema

FILE = ROOT / "docs" / "agent.schema.json"


def render() -> str:
    """The file's content."""
    return json.dumps(definition_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(render(), "utf-8")
