"""A definition as a file: YAML in its author's order, which reads back as what it was."""

from __future__ import annotations

from typing import Any

from shared.edge.definition_body import is_plain_text, yaml_library


def write_yaml(value: Any) -> str:
    """The value as YAML; the same value always gives the same text, which `parse_body` reads as the same value."""
    yaml, _ = yaml_library()
    return yaml.dump(
        value, Dumper=_dumper(yaml), sort_keys=False, allow_unicode=True, width=10_000, default_flow_style=False
    )


def _dumper(yaml: Any) -> Any:
    class Dumper(yaml.SafeDumper):
        """Writes no anchors, and quotes whatever could be read as something else than text."""

        def ignore_aliases(self, data: Any) -> bool:
            """Write a value again rather than refer to it: references are not read."""
            del data
            return True

    Dumper.add_representer(str, _write_text)
    Dumper.add_representer(float, _write_float)
    return Dumper


def _write_text(dumper: Any, text: str) -> Any:
    tag = "tag:yaml.org,2002:str"
    if "\n" in text and all(one == "\n" or one.isprintable() for one in text) and not text[0].isspace():
        return dumper.represent_scalar(tag, text, style="|")
    return dumper.represent_scalar(tag, text, style=None if text.isprintable() and is_plain_text(text) else '"')


def _write_float(dumper: Any, number: float) -> Any:
    digits, mark, exponent = repr(number).partition("e")
    text = digits + (".0" if mark and "." not in digits else "") + mark + exponent  # or it would be marked as a float
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)
