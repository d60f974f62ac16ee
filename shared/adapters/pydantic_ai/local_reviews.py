"""The answers of `local:extractive`, in Markdown: nothing in them but facts about its input and quotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.adapters.pydantic_ai.outlines import Outline, outline
from shared.adapters.pydantic_ai.passages import Passage, rank, split_passages, terms_of
from shared.adapters.pydantic_ai.paths_named import paths_named

FOUND_NOTHING = "I am local:extractive, a program that quotes from what it is given, not an AI model."
"""How an answer begins that quotes nothing."""

_MOST_PARTS = 12
_MOST_CONCERNS = 8
_MOST_PASSAGES = 3
_MOST_QUOTES = 5
_LONGEST_QUOTE = 700
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Read:
    """Something to quote from.

    Args:
        name: what it is called: a path, or who said it.
        text: its text, or why it could not be read.
        failed: whether it could not be read.
        note: what else there is to know, such as that it was cut.
        is_placed: whether the name says where the text stands.
    """

    name: str
    text: str
    failed: bool = False
    note: str = ""
    is_placed: bool = False


def review(question: str, files: Sequence[Read]) -> str:
    """What each file is, what it consists of, what deserves a look, and the passages nearest to the question."""
    terms = _terms(question)
    return "\n\n".join(_review_one(file, terms) for file in files)


def answer(question: str, sources: Sequence[Read]) -> str:
    """The passages of the sources nearest to the question, each with its place."""
    terms = _terms(question)
    readable = [source for source in sources if not source.failed]
    candidates = [(source, passage) for source in readable for passage in split_passages(source.text)]
    ranked = rank([passage for _, passage in candidates], terms, structure=0.0)
    if not ranked:
        return _nothing(question, readable)
    named = {(passage.start, passage.end, passage.text): source for source, passage in reversed(candidates)}
    lines = ["From what I was given (I quote, I do not infer):"]
    for passage in ranked[:_MOST_QUOTES]:
        source = named[passage.start, passage.end, passage.text]
        place = "" if source.is_placed else f", {_place(passage)}"
        lines.append(f"**{source.name}**{place}:\n{_quote(passage)}")
    return "\n\n".join(lines)


def _review_one(file: Read, terms: frozenset[str]) -> str:
    if file.failed:
        return f"## {file.name}\n\nCould not be read: {file.text.strip()}"
    if not file.text.strip():
        return f"## {file.name}\n\nThe file is empty."
    about = outline(file.name, file.text)
    blocks = [f"## {file.name}", f"{_facts(about)} {file.note}".strip()]
    if about.purpose:
        blocks.append(f"What it says it is: {about.purpose}")
    if about.parts:
        blocks.append(_parts(about))
    if about.concerns:
        blocks.append(_concerns(about))
    if passages := _key_passages(file.text, terms):
        quotes = "\n\n".join(f"{_place(passage)}:\n{_quote(passage)}" for passage in passages)
        blocks.append(f"### Key passages\n\n{quotes}")
    return "\n\n".join(blocks)


def _key_passages(text: str, terms: frozenset[str]) -> list[Passage]:
    """The best few, in the order of the file."""
    passages = split_passages(text)
    # What the file says of itself at its top is quoted already.
    chosen = rank(passages[1:], terms)[:_MOST_PASSAGES]
    return sorted(chosen, key=lambda passage: passage.start)


def _facts(about: Outline) -> str:
    size = f"{about.characters / _KIB:.1f} KiB" if about.characters >= _KIB else f"{about.characters} characters"
    return f"{about.kind}, {about.lines} line{'s' * (about.lines != 1)}, {size}."


def _parts(about: Outline) -> str:
    shown = about.parts
    if len(shown) > _MOST_PARTS:  # the outer parts tell more than the inner ones
        least = min(part.depth for part in shown)
        shown = tuple(part for part in shown if part.depth == least) or shown
    names = ", ".join(f"{part.name} ({part.line})" for part in shown[:_MOST_PARTS])
    left = len(about.parts) - min(len(shown), _MOST_PARTS)
    return f"Parts (line): {names}{f', and {left} more' if left else ''}."


def _concerns(about: Outline) -> str:
    lines = [
        f"- line {concern.line}: {concern.why}" + (f": `{concern.text}`" if concern.text else "")
        for concern in about.concerns[:_MOST_CONCERNS]
    ]
    if len(about.concerns) > _MOST_CONCERNS:
        lines.append(f"- and {len(about.concerns) - _MOST_CONCERNS} more")
    return "### Worth a look\n\n" + "\n".join(lines)


def _place(passage: Passage) -> str:
    return f"line {passage.start}" if passage.start == passage.end else f"lines {passage.start}-{passage.end}"


def _quote(passage: Passage) -> str:
    text = passage.text
    if len(text) > _LONGEST_QUOTE:
        text = text[:_LONGEST_QUOTE].rsplit("\n", 1)[0] + "\n…"
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def _terms(question: str) -> frozenset[str]:
    for path in paths_named(question):
        question = question.replace(path, " ")
    return terms_of(question)


def _nothing(question: str, sources: Sequence[Read]) -> str:
    asked = ", ".join(sorted(_terms(question))) or "nothing in particular"
    read = f"{len(sources)} text(s)" if sources else "no other text"
    return (
        f"{FOUND_NOTHING} I looked for: {asked}. I was given {read} to look in, and found nothing about it. "
        "Name a file, or give me a text."
    )
