"""local:extractive reads the files that are named and quotes what matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.domain.tool_specs import BUILT_IN
from shared.domain.tools import ToolCall, ToolResult, ToolSpec
from tests.support.agent_turns import FILE_READ, LOOKUP, Recorder, model_of, turn_of

APP = '''"""Serves the shop's pages."""

import os


def start(port: int) -> None:
    """Listen on a port."""
    os.system(f"serve {port}")


def refund(order: str) -> None:
    """Give the money of an order back, at most once."""
    # TODO: write it down before paying
    pay(order)
'''
README = "# The shop\n\nSells looms.\n\n## Refunds\n\nA refund takes two days.\n\n## Opening hours\n\nNever closed.\n"
KNOWLEDGE = BUILT_IN["knowledge"]
FILES = {"src/app.py": APP, "README.md": README, "empty.txt": ""}


def workspace(files: Mapping[str, str] = FILES, *, shape: str = "text") -> Recorder:
    """A recorder whose file_read knows these files; `shape` is how it wraps a text."""

    def read(call: ToolCall) -> ToolResult:
        path = call.arguments["path"]
        if path not in files:
            return ToolResult(f"There is no file {path}.", is_error=True)
        return ToolResult(files[path] if shape == "text" else {shape: files[path], "path": path})

    return Recorder({"file_read": read})


async def ask(
    recorder: Recorder, prompt: str, tools: Sequence[ToolSpec] = (FILE_READ,), history: tuple[str, ...] = ()
) -> str:
    turn = turn_of(model_of("local:extractive"), prompt, tools=tools, history=history)
    runner = PydanticAiRunner(Models(ProviderSettings()))
    return (await runner.run(turn, recorder, recorder)).output


async def test_every_named_file_is_read_in_one_response() -> None:
    recorder = workspace()
    await ask(recorder, "Review src/app.py and README.md.")
    assert [dict(call.arguments) for call in recorder.calls] == [{"path": "src/app.py"}, {"path": "README.md"}]
    assert [call.step for call in recorder.calls] == [0, 0]
    assert recorder.kinds[:4] == ["begin", "respond", "call", "call"]


@pytest.mark.parametrize("shape", ["text", "content"])
async def test_a_review_says_what_the_file_is_and_what_deserves_a_look(shape: str) -> None:
    output = await ask(workspace(shape=shape), "Review src/app.py: how are refunds made?")
    for expected in (
        "## src/app.py",
        "Python, 14 lines, 279 characters.",
        "What it says it is: Serves the shop's pages.",
        "Parts (line): start (6), refund (11).",
        "- line 8: goes through a shell: `os.system(",
        "- line 13: left to do: `# TODO: write it down before paying`",
        'lines 11-14:\n> def refund(order: str) -> None:\n>     """Give the money of an order back, at most once."""',
    ):
        assert expected in output


async def test_the_question_decides_on_the_passages() -> None:
    output = await ask(workspace(), "What does README.md say about refunds?")
    assert "> ## Refunds\n>\n> A refund takes two days." in output
    about_hours = await ask(workspace(), "What does README.md say about opening hours?")
    assert about_hours.index("Never closed") > about_hours.index("Key passages")


async def test_files_that_are_missing_or_empty_are_named() -> None:
    output = await ask(workspace(), "Review gone.py, empty.txt and README.md")
    assert "## gone.py\n\nCould not be read: There is no file gone.py." in output
    assert "## empty.txt\n\nThe file is empty." in output
    assert "## README.md\n\nMarkdown, 11 lines" in output


async def test_a_file_that_was_cut_says_so() -> None:
    cut = {"text": "a\nb\n", "truncated": True, "end_line": 2, "total_lines": 900}
    output = await ask(Recorder({"file_read": ToolResult(cut)}), "Review big.txt")
    assert "text, 2 lines, 4 characters. Only a part was read: up to line 2 of 900." in output


PASSAGES = [
    {"document": "manual.pdf", "place": "page 3", "text": "The warranty lasts ten years."},
    {"document": "rules.md", "place": "lines 2-4", "text": "Visitors register at the desk."},
]


async def test_knowledge_is_searched_and_what_is_quoted_is_cited() -> None:
    recorder = Recorder({"knowledge": ToolResult({"query": "x", "passages": PASSAGES})})
    output = await ask(recorder, "You are a clerk.\n\nHow long is the warranty?", tools=(KNOWLEDGE,))
    assert [(call.name, call.arguments) for call in recorder.calls] == [
        ("knowledge", {"query": "How long is the warranty?"})
    ]
    assert "**manual.pdf, page 3**:\n> The warranty lasts ten years." in output
    assert "rules.md" not in output


async def test_a_search_of_knowledge_that_fails_is_not_quoted() -> None:
    recorder = Recorder({"knowledge": ToolResult("There is no collection 'warranty'.", is_error=True)})
    output = await ask(recorder, "How long is the warranty?", tools=(KNOWLEDGE,))
    assert "no collection" not in output
    assert "not an AI model" in output


async def test_without_the_tool_no_file_is_read() -> None:
    recorder = workspace()
    output = await ask(recorder, "Review src/app.py", tools=(LOOKUP,))
    assert recorder.calls == []
    assert "not an AI model" in output


async def test_a_second_turn_answers_from_the_first() -> None:
    first = workspace()
    await ask(first, "Read README.md")
    second = workspace()
    output = await ask(second, "And how long does a refund take?", history=first.messages)
    assert "**README.md**, lines 5-7:\n> ## Refunds\n>\n> A refund takes two days." in output
    assert second.calls == []


async def test_what_a_person_said_earlier_is_quoted() -> None:
    first = workspace()
    await ask(first, "My loom has eleven shafts.")
    output = await ask(workspace(), "How many shafts has my loom?", history=first.messages)
    assert "**you, turn 1**, line 1:\n> My loom has eleven shafts." in output


async def test_the_same_question_gets_the_same_answer_and_the_same_call_ids() -> None:
    one, two = workspace(), workspace()
    prompt = "Review src/app.py, README.md and gone.py for refunds"
    assert await ask(one, prompt) == await ask(two, prompt)
    assert one.calls == two.calls


async def test_it_streams_word_by_word_and_says_what_it_is() -> None:
    recorder = workspace()
    output = await ask(recorder, "Review src/app.py")
    assert len(recorder.deltas) > 30
    assert "".join(recorder.deltas) == output
    assert {response.model_name for response in recorder.responses} == {"local:extractive"}


@pytest.mark.parametrize("prompt", ["", "hello", "a/b", "Review `x.py`", "\n\n", "..", "/", "[]()"])
@pytest.mark.parametrize("tools", [(), (FILE_READ,)])
async def test_any_input_gets_some_answer(prompt: str, tools: tuple[Any, ...]) -> None:
    assert await ask(workspace(), prompt, tools=tools)


async def test_a_question_is_answered_from_the_text_that_comes_with_it() -> None:
    prompt = "Forty looms were observed.\nIn summer the effect vanished.\n\nWhat became of the effect in summer?"
    answer = await ask(workspace(), prompt)
    assert "**this message**" in answer
    assert "> In summer the effect vanished." in answer


async def test_an_answer_that_found_nothing_is_never_quoted_later() -> None:
    recorder = workspace()
    assert "found nothing" in await ask(recorder, "What is a shuttle?")
    answer = await ask(workspace(), "And a shuttle of wood?", history=recorder.messages)
    assert "What is a shuttle?" in answer
    assert "found nothing" not in answer
