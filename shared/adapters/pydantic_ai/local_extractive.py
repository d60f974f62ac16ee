"""`local:extractive`: reads the files that its input names and quotes what matters. A program, not an AI model.

Deterministic, with no network: for demos and development without a key, and for tests that need a real answer.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from shared.adapters.pydantic_ai.local_model import (
    LocalModel,
    Piece,
    next_call_id,
    prompt_text,
)
from shared.adapters.pydantic_ai.local_reviews import FOUND_NOTHING, Read, answer, review
from shared.adapters.pydantic_ai.paths_named import paths_named

FILE_READ = "file_read"
KNOWLEDGE = "knowledge"
MOST_FILES = 20
"""Files read in one turn."""
LONGEST_QUESTION = 2000

_WORDS = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True, slots=True)
class _Turn:
    """The turn that is being answered, and what came before it."""

    prompt: str
    messages: list[ModelMessage]
    earlier: list[ModelMessage]


class ExtractiveModel(LocalModel):
    """Reads the files named in the prompt, searches the knowledge it has, and answers with passages of both."""

    def __init__(self) -> None:
        """Go by `local:extractive`."""
        super().__init__("extractive")

    async def pieces(self, messages: list[ModelMessage], tools: frozenset[str]) -> AsyncGenerator[Piece]:
        """Calls first; once they are answered, the text, word by word."""
        turn = _last_turn(messages)
        wanted = _wanted(turn.prompt, tools)
        asked = any(part.tool_name in {FILE_READ, KNOWLEDGE} for part in _calls(turn.messages))
        if wanted and not asked:
            for number, (tool, arguments) in enumerate(wanted):
                yield ToolCallPart(tool, arguments, tool_call_id=next_call_id(messages, number))
            return
        for word in _WORDS.findall(_answer(turn)):
            yield word


def _wanted(prompt: str, tools: frozenset[str]) -> list[tuple[str, dict[str, Any]]]:
    """The calls with which a turn begins: a file for each path, and a search of the knowledge."""
    paths = paths_named(prompt)[:MOST_FILES] if FILE_READ in tools else []
    reads: list[tuple[str, dict[str, Any]]] = [(FILE_READ, {"path": path}) for path in paths]
    question = split_question(prompt)[0][:LONGEST_QUESTION]
    return [*reads, *([(KNOWLEDGE, {"query": question})] if KNOWLEDGE in tools and question else [])]


def _answer(turn: _Turn) -> str:
    files = list(_files(turn.messages))
    if any(not file.failed for file in files):
        return review(turn.prompt, files)
    question, given = split_question(turn.prompt)
    said = [*_said(turn.earlier), *_results(turn.messages)]
    found = answer(question, [*_files(turn.earlier), *given, *said])
    return "\n\n".join([*([review(turn.prompt, files)] if files else []), found])


def split_question(prompt: str) -> tuple[str, list[Read]]:
    """What is asked, the last paragraph, and the text before it that it is asked about."""
    before, _, question = prompt.strip().rpartition("\n\n")
    return question, [Read("this message", before)] if before.strip() else []


def _last_turn(messages: list[ModelMessage]) -> _Turn:
    """From the last message that a person wrote."""
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if isinstance(message, ModelRequest):
            texts = [prompt_text(part) for part in message.parts if isinstance(part, UserPromptPart)]
            if texts:
                return _Turn("\n".join(texts), messages[place:], messages[:place])
    return _Turn("", messages, [])


def _calls(messages: list[ModelMessage]) -> Iterator[ToolCallPart]:
    for message in messages:
        if isinstance(message, ModelResponse):
            yield from message.tool_calls


def _returns(messages: list[ModelMessage]) -> Iterator[ToolReturnPart]:
    for message in messages:
        if isinstance(message, ModelRequest):
            yield from (part for part in message.parts if isinstance(part, ToolReturnPart))


def _files(messages: list[ModelMessage]) -> Iterator[Read]:
    """What `file_read` gave, in the order of the calls."""
    returns = {part.tool_call_id: part for part in _returns(messages)}
    for call in _calls(messages):
        result = returns.get(call.tool_call_id)
        if call.tool_name == FILE_READ and result is not None:
            path = str(call.args_as_dict().get("path", "?"))
            yield Read(path, _text_of(result), failed=result.outcome != "success", note=_note_of(result))


def _results(messages: list[ModelMessage]) -> Iterator[Read]:
    """What other tools gave; of knowledge each passage, under the name by which it is cited."""
    for part in _returns(messages):
        if part.tool_name == FILE_READ or part.outcome != "success":
            continue
        passages = _fields_of(part).get("passages") if part.tool_name == KNOWLEDGE else None
        if passages is None:
            yield Read(f"result of {part.tool_name}", _text_of(part))
            continue
        for passage in cast("list[dict[str, Any]]", passages):
            yield Read(f"{passage['document']}, {passage['place']}", passage["text"], is_placed=True)


def _said(messages: list[ModelMessage]) -> Iterator[Read]:
    """What was said in earlier turns."""
    turn = 0
    for message in messages:
        for part in message.parts:
            match part:
                case UserPromptPart():
                    turn += 1
                    yield Read(f"you, turn {turn}", prompt_text(part))
                case TextPart() if not part.content.startswith(FOUND_NOTHING):
                    yield Read(f"answer, turn {turn}", part.content)
                case _:
                    pass


def _fields_of(part: ToolReturnPart) -> Mapping[str, Any]:
    content: object = part.content
    return cast("Mapping[str, Any]", content) if isinstance(content, Mapping) else {}


def _note_of(part: ToolReturnPart) -> str:
    """What `file_read` says of a file that it did not give whole."""
    fields = _fields_of(part)
    if not fields.get("truncated"):
        return ""
    return f"Only a part was read: up to line {fields.get('end_line')} of {fields.get('total_lines')}."


def _text_of(part: ToolReturnPart) -> str:
    """The text of a result: the value's own text where it is an object with one."""
    if part.outcome != "success":
        return str(part.content)
    fields = _fields_of(part)
    for key in ("text", "content"):
        if isinstance(value := fields.get(key), str):
            return value
    return part.model_response_str()
