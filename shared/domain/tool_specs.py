"""The built-in tools: what each is for, what it takes, and whether it may be called twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from shared.domain.errors import Fault, InvalidArgument
from shared.domain.tool_arguments import (
    Arguments,
    Configuration,
    DiffArguments,
    DocumentAnalyzerArguments,
    FileReadArguments,
    FileWriteArguments,
    FindArguments,
    GrepArguments,
    NoConfiguration,
    WebSearchArguments,
    WebSearchConfiguration,
    schema_of,
)
from shared.domain.tools import Effect, ToolSpec

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Shape:
    arguments: type[Arguments]
    configuration: type[Configuration]


def _tools() -> dict[str, tuple[ToolSpec, _Shape]]:
    tools: dict[str, tuple[ToolSpec, _Shape]] = {}

    def add(
        name: str,
        description: str,
        arguments: type[Arguments],
        *,
        effect: Effect = Effect.NONE,
        configuration: type[Configuration] = NoConfiguration,
    ) -> None:
        spec = ToolSpec(
            name=name,
            description=description,
            effect=effect,
            arguments_schema=schema_of(arguments),
            config_schema=schema_of(configuration),
        )
        tools[name] = (spec, _Shape(arguments, configuration))

    add(
        "file_read",
        "Read a text file of the workspace, whole or from one line to another. A long answer is "
        "cut and says at which line to go on.",
        FileReadArguments,
    )
    add(
        "file_write",
        "Write a text file of the workspace. Each change makes a new version; writing what is "
        "there already changes nothing.",
        FileWriteArguments,
        effect=Effect.IDEMPOTENT,  # the same content as the newest version makes no version
    )
    add(
        "grep",
        "Search the text files of the workspace for lines that match a regular expression.",
        GrepArguments,
    )
    add(
        "find",
        "List the files of the workspace whose path matches a glob pattern, with their sizes.",
        FindArguments,
    )
    add(
        "diff",
        "Compare two text files of the workspace, or two versions of one, as a unified diff.",
        DiffArguments,
    )
    add(
        "document_analyzer",
        "Extract the text and facts (title, pages, words, headings) of a document in the "
        "workspace: plain text, Markdown, HTML or PDF.",
        DocumentAnalyzerArguments,
    )
    add(
        "web_search",
        "Search the web; returns titles, addresses and excerpts.",
        WebSearchArguments,
        configuration=WebSearchConfiguration,
    )
    return tools


_TOOLS = _tools()

BUILT_IN: Mapping[str, ToolSpec] = MappingProxyType({name: spec for name, (spec, _) in _TOOLS.items()})
"""Every tool that a definition may name, by name."""


def parse_arguments(model: type[M], arguments: Mapping[str, Any]) -> M:
    """Read a call's arguments.

    Raises:
        InvalidArgument: with every fault, each with the argument's name as its path.
    """
    try:
        return model.model_validate(dict(arguments))
    except ValidationError as error:
        raise InvalidArgument("The arguments do not fit.", _faults(model, error)) from error


def argument_faults(tool: str, arguments: Mapping[str, Any]) -> tuple[Fault, ...]:
    """What is wrong with the arguments of a call of the built-in `tool`; nothing when they fit."""
    return _check(_TOOLS[tool][1].arguments, arguments)


def config_faults(tool: str, config: Mapping[str, Any]) -> tuple[Fault, ...]:
    """What is wrong with the configuration of the built-in `tool` in a definition."""
    return _check(_TOOLS[tool][1].configuration, config)


def _check(model: type[BaseModel], given: Mapping[str, Any]) -> tuple[Fault, ...]:
    try:
        parse_arguments(model, given)
    except InvalidArgument as error:
        return error.faults
    return ()


def _faults(model: type[BaseModel], error: ValidationError) -> tuple[Fault, ...]:
    known = ", ".join(model.model_fields) or "none"
    return tuple(
        Fault(
            path=".".join(_printable(str(part)) for part in fault["loc"]),
            reason=_printable(fault["msg"]),
            suggestion=f"Known: {known}." if fault["type"] == "extra_forbidden" else None,
        )
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    )


def _printable(text: str) -> str:
    """The text without lone surrogates, which no JSON encoder accepts."""
    return text.encode("utf-8", "replace").decode()
