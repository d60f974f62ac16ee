"""What the built-in tools take: one model for each tool's arguments and one for its configuration.

The descriptions are read by language models. Arguments are read leniently (a template or a model
may send "10" for 10, or null for "not given"), configurations strictly, because people write them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from shared.domain.arithmetic import FUNCTION_NAMES, MAX_EXPRESSION_CHARACTERS

MAX_NUMBER = 1_000_000_000
MAX_SEARCH_RESULTS = 50
MAX_FOUND_PATHS = 1000
MAX_MATCHES = 500
MAX_ANALYSED_CHARACTERS = 100_000
MAX_STATE_KEYS = 100
MAX_FOUND_PASSAGES = 20
MAX_SEARCHED_COLLECTIONS = 10

Path = Annotated[
    str,
    Field(min_length=1, max_length=1024, description="Path in the workspace, such as src/app.py."),
]
Url = Annotated[str, Field(min_length=1, max_length=4000)]
MimeType = Annotated[str, Field(min_length=3, max_length=255)]
Glob = Annotated[str, Field(min_length=1, max_length=512)]
Line = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Version = Annotated[int, Field(ge=1, le=MAX_NUMBER)]
Offset = Annotated[
    int,
    Field(ge=0, le=MAX_NUMBER, description="Skip this many characters of the text, to go on after a truncated answer."),
]
MaxCharacters = Annotated[
    int,
    Field(ge=1, le=MAX_ANALYSED_CHARACTERS, description="Return at most this many characters of the text."),
]


class Arguments(BaseModel):
    """The arguments of a call: unknown names are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Configuration(BaseModel):
    """What a definition may set for a tool: unknown names and near misses of a type are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileReadArguments(Arguments):
    """Arguments of `file_read`."""

    path: Path
    start_line: Line | None = Field(default=None, description="First line to return, from 1. Default: the first.")
    end_line: Line | None = Field(default=None, description="Last line to return, inclusive. Default: the last.")


class FileWriteArguments(Arguments):
    """Arguments of `file_write`."""

    path: Path
    content: str = Field(description="The whole new text of the file.")


class FileEditArguments(Arguments):
    """Arguments of `file_edit`."""

    path: Path
    old_text: str = Field(
        min_length=1,
        description="The text to replace, exactly as it is in the file, with its indentation and line breaks; enough "
        "of it to occur only once.",
    )
    new_text: str = Field(description="What to put in its place; empty to remove it.")
    replace_all: bool = Field(default=False, description="Replace every occurrence instead of the only one.")


class SaveArtifactArguments(Arguments):
    """Arguments of `save_artifact`."""

    name: Path
    content: str = Field(description="The content: text, or bytes in base64.")
    mime_type: MimeType | None = Field(
        default=None, description="Media type, such as text/csv. Default: what name and content say."
    )
    encoding: Literal["text", "base64"] = Field(default="text", description="How `content` is written.")


class SetStateArguments(Arguments):
    """Arguments of `set_state`."""

    values: dict[str, Any] = Field(
        min_length=1,
        max_length=MAX_STATE_KEYS,
        description="What to remember, by key; each value replaces the key's old one whole, and null removes the key.",
    )


class CalculatorArguments(Arguments):
    """Arguments of `calculator`."""

    expression: str = Field(
        min_length=1,
        max_length=MAX_EXPRESSION_CHARACTERS,
        description="Such as (1250.50 * 1.19) / 12, 2**10, or round(sqrt(2), 3). Numbers without separators. "
        f"Known names: {', '.join(FUNCTION_NAMES)}.",
    )


class CurrentTimeArguments(Arguments):
    """Arguments of `current_time`."""

    time_zone: str = Field(
        default="UTC", min_length=1, max_length=64, description="IANA time zone, such as Europe/Berlin."
    )


class GrepArguments(Arguments):
    """Arguments of `grep`."""

    pattern: str = Field(
        min_length=1,
        max_length=1000,
        description="Regular expression in RE2 syntax (no look-around, no back-references), matched within each line.",
    )
    glob: Glob = Field(
        default="**",
        description="Only files whose path matches, such as *.py or src/**. Default: all files.",
    )
    ignore_case: bool = Field(default=False, description="Match letters of either case.")
    max_matches: int = Field(default=100, ge=1, le=MAX_MATCHES, description="Stop after this many matching lines.")


class FindArguments(Arguments):
    """Arguments of `find`."""

    glob: Glob = Field(
        default="**",
        description="Paths to list: * and ? stay within a folder, ** crosses folders, {a,b} is either; a pattern "
        "without / matches in every folder. Such as *.md or docs/**/*.md. Default: all files.",
    )
    limit: int = Field(default=200, ge=1, le=MAX_FOUND_PATHS, description="List at most this many paths.")


class DiffArguments(Arguments):
    """Arguments of `diff`."""

    path: Path
    other_path: Path | None = Field(
        default=None,
        description="The file to compare with. Default: another version of the same file.",
    )
    version: Version | None = Field(
        default=None,
        description="Version of `path`. Default: the newest if other_path is given, else the one before.",
    )
    other_version: Version | None = Field(
        default=None,
        description="Version of the other file. Default: the newest.",
    )


class FileArguments(Arguments):
    """Which file a call means."""

    path: Path | None = None
    url: Url | None = Field(
        default=None,
        description="Instead of a path: the address of a file on the web, which is kept in the workspace.",
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise PydanticCustomError("path_or_url", "give either 'path' or 'url'")
        return self


class DocumentAnalyzerArguments(FileArguments):
    """Arguments of `document_analyzer`."""

    show: bool = Field(
        default=False,
        description="Of a PDF: show the pages themselves as well, with their tables and pictures, if you can see them.",
    )
    offset: Offset = 0
    max_characters: MaxCharacters = 20_000


class ImageArguments(FileArguments):
    """Arguments of `image`."""


class KnowledgeArguments(Arguments):
    """Arguments of `knowledge`."""

    query: str = Field(
        min_length=1, max_length=2000, description="What you want to know, as a question or in its words."
    )
    limit: Annotated[int, Field(ge=1, le=MAX_FOUND_PASSAGES)] | None = Field(
        default=None, description="Return at most this many passages. Default: what the agent allows."
    )


class KnowledgeConfiguration(Configuration):
    """The configuration of `knowledge`."""

    collections: list[Annotated[str, Field(min_length=1, max_length=64)]] = Field(
        min_length=1,
        max_length=MAX_SEARCHED_COLLECTIONS,
        description="Collections to search: each by the name of one of your own, or by its id.",
    )
    max_passages: int = Field(default=5, ge=1, le=MAX_FOUND_PASSAGES, description="The most passages of one search.")


class WebSearchArguments(Arguments):
    """Arguments of `web_search`."""

    query: str = Field(min_length=1, max_length=500, description="What to search for.")
    max_results: Annotated[int, Field(ge=1, le=MAX_SEARCH_RESULTS)] | None = Field(
        default=None,
        description="Return at most this many results. Default: what the agent allows.",
    )


class WebFetchArguments(Arguments):
    """Arguments of `web_fetch`."""

    url: Url = Field(description="The page's address, with https:// or http://.")
    offset: Offset = 0
    max_characters: MaxCharacters = 20_000


class NoConfiguration(Configuration):
    """The configuration of a tool that has none."""


class WebSearchConfiguration(Configuration):
    """The configuration of `web_search`."""

    max_results: int = Field(default=10, ge=1, le=MAX_SEARCH_RESULTS, description="The most results of one search.")
    engine: Literal["auto", "deployment"] = Field(
        default="auto",
        description="auto: the search of the model's provider, where it has one, else the deployment's engine; "
        "deployment: always the deployment's.",
    )


class WebFetchConfiguration(Configuration):
    """The configuration of `web_fetch`."""

    hosts: list[Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$")]] = Field(
        default_factory=list[str],
        max_length=100,
        description="The only hosts to read from, such as example.com or *.example.com. Default: all public ones.",
    )


class FileConfiguration(WebFetchConfiguration):
    """The configuration of the tools that take a path or an address."""

    from_web: bool = Field(default=True, description="Whether an address may be given instead of a path.")


class AskHumanArguments(Arguments):
    """Arguments of `ask_human`."""

    question: str = Field(min_length=1, max_length=20_000, description="What you need to know, and what for.")
    choices: list[str] | None = Field(default=None, max_length=50, description="Answers to choose from, if few do.")


class AskHumanConfiguration(Configuration):
    """The configuration of `ask_human`."""

    asked: list[Annotated[str, Field(min_length=1, max_length=128)]] = Field(
        default_factory=list[str], max_length=20, description="Ids of the people who may answer. Default: who runs it."
    )
    expires_after_seconds: int = Field(
        default=604_800, ge=1, le=31_536_000, description="How long they have. Default: a week."
    )
    default_answer: str | None = Field(
        default=None, max_length=20_000, description="The answer after that. Default: the model is told of the silence."
    )


class _PlainSchema(GenerateJsonSchema):
    """JSON Schema as model providers like it: no nulls for what may be left out, no titles."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default") is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - Pydantic's
        return False


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema of a model: an object that refuses unknown names."""
    schema = model.model_json_schema(schema_generator=_PlainSchema)
    return {key: value for key, value in schema.items() if key not in {"title", "description"}}
