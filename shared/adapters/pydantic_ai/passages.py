"""Which passages of a text matter for a question: pure, deterministic, by words."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONGEST_PASSAGE_LINES = 12

_WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STOP_WORDS = """a about above after all also am an and any are as at be because been before being between both but by
    can could did do does doing done each few for from further had has have having he her here hers him his how i
    if in into is it its just let like me more most my no nor not now of off on once only or other our out over own
    please same say says she should so some such tell than that the their them then there these they this those through
    to too under until up use used using very was we were what when where which while who whom why will with would you
    your file files path read review reviewing summary summarise summarize describe explain question answer"""
_STOP = frozenset(_STOP_WORDS.split())
_HEADING = re.compile(r"\s*(?:#{1,6}\s|=+\s\w|\[[\w.\-\"' ]+\]\s*$)")
_DEFINITION = re.compile(
    r"\s*(?:export\s+)?(?:default\s+)?(?:async\s+)?"
    r"(?:def|class|function|interface|enum|struct|trait|impl|fn|func|type|message|service|resource|module|match)\s+[\w\"$/]"
)
_MARK = re.compile(r"(?:#|//|/\*|\*|--|<!--|^)\s*(?:TODO|FIXME|HACK|XXX|BUG|WARNING|NOTE|SECURITY)\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Passage:
    """Some lines of a text.

    Args:
        start: number of the first line, from 1.
        end: number of the last line.
        text: the lines, joined.
        score: how much it matters; only good for comparing.
    """

    start: int
    end: int
    text: str
    score: float = 0.0


def terms_of(text: str) -> frozenset[str]:
    """The words of a question that carry meaning, in one form each."""
    return frozenset(_words(text))


def split_passages(text: str) -> list[Passage]:
    """The paragraphs of a text; long ones in pieces, and a heading with what follows it."""
    passages: list[Passage] = []
    lines = text.splitlines()
    start: int | None = None
    for number, line in enumerate([*lines, ""]):
        full = start is not None and number - start >= LONGEST_PASSAGE_LINES
        if start is not None and (not line.strip() or full):
            lonely_heading = number - start == 1 and _HEADING.match(lines[start]) is not None
            if not (lonely_heading and number < len(lines)):
                passages.append(_passage(lines, start, number))
                start = None
        if start is None and line.strip():
            start = number
    return passages


def rank(passages: Iterable[Passage], terms: frozenset[str], *, structure: float = 1.0) -> list[Passage]:
    """The passages with their scores, best first; those that do not matter at all are left out.

    Args:
        passages: what to choose from.
        terms: the question, see `terms_of`.
        structure: what headings, definitions and marks such as TODO count beside the terms.
    """
    counted = [(passage, Counter(_words(passage.text))) for passage in passages]
    rarity = _rarity([words for _, words in counted], terms)
    scored = [
        Passage(passage.start, passage.end, passage.text, score)
        for passage, words in counted
        if (score := _match(words, rarity) + structure * _structure(passage.text)) > 0
    ]
    return sorted(scored, key=lambda passage: (-passage.score, passage.start))


def _passage(lines: Sequence[str], start: int, end: int) -> Passage:
    while end > start + 1 and not lines[end - 1].strip():
        end -= 1
    return Passage(start + 1, end, "\n".join(lines[start:end]))


def _words(text: str) -> list[str]:
    return [
        stem for raw in _WORD.findall(_CAMEL.sub(" ", text)) if (stem := _stem(raw.casefold())) and stem not in _STOP
    ]


def _stem(word: str) -> str:
    """Without the commonest English endings, so that "retries" finds "retry"."""
    if word in _STOP:
        return word
    for ending, replacement in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", "e"), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):  # noqa: PLR2004 - letters that make a word
            return word[: len(word) - len(ending)] + replacement
    return word


def _rarity(texts: Sequence[Counter[str]], terms: frozenset[str]) -> dict[str, float]:
    """What a term is worth: more the fewer passages have it (inverse document frequency)."""
    return {
        term: math.log(1 + len(texts) / sum(term in words for words in texts))
        for term in terms
        if any(term in words for words in texts)
    }


def _match(words: Counter[str], rarity: dict[str, float]) -> float:
    length = 1 + sum(words.values()) / 60
    hits = [value * (1 + math.log(words[term])) for term, value in rarity.items() if term in words]
    # Two different terms together tell more than one term twice.
    return 2 * sum(hits) * len(hits) ** 0.5 / length if hits else 0.0


def _structure(text: str) -> float:
    first = text.split("\n", 1)[0]
    score = 0.0
    if _MARK.search(text):
        score += 1.5
    if _HEADING.match(first):
        score += 1.0
    if _DEFINITION.match(first):
        score += 1.0 + (0.5 if '"""' in text or "/**" in text else 0.0)
    return score
