"""`local:hashed-words`: deterministic, lexical, and honest about it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.embedders.hashed_words import HashedWords, embed
from shared.domain.knowledge import DIMENSIONS

PASSAGES = {
    "warranty": "The warranty of the anvil lasts ten years and covers cracks in its face. It does not cover misuse.",
    "office": "Our office hours are Monday to Friday, nine to five. Visitors register at the front desk.",
    "fumes": "The forge must be ventilated. Never burn galvanised steel, as zinc fumes are poisonous.",
    "vacation": "Employees receive thirty days of paid vacation each year. Requests go to the team lead.",
    "refunds": "To return a product, write to support within thirty days; refunds take a week.",
}


def likeness(one: str, other: str) -> float:
    return sum(a * b for a, b in zip(embed(one).values, embed(other).values, strict=True))


@pytest.mark.parametrize(
    ("question", "passage"),
    [
        ("How long is the anvil's warranty?", "warranty"),
        ("ANVIL WARRANTIES", "warranty"),
        ("When are visitors registered?", "office"),
        ("Is burning zinc a poison?", "fumes"),
        ("How many vacations does an employee get?", "vacation"),
        ("How do I get a refund?", "refunds"),
    ],
)
def test_a_question_is_nearest_to_the_passage_that_shares_its_words(question: str, passage: str) -> None:
    ranked = sorted(PASSAGES, key=lambda name: likeness(question, PASSAGES[name]), reverse=True)
    assert ranked[0] == passage


def test_texts_that_share_no_word_are_unlike() -> None:
    assert abs(likeness("The hammer strikes iron.", "Quiet libraries close early.")) < 0.2


@given(st.text(max_size=200))
def test_every_text_has_one_vector_of_length_one(text: str) -> None:
    vector = embed(text)
    assert vector == embed(text)
    assert len(vector.values) == DIMENSIONS
    assert math.hypot(*vector.values) == pytest.approx(1)


def test_a_vector_is_the_same_on_every_machine() -> None:
    assert {n: place for n, place in enumerate(embed("forge").values) if place} == {197: -1.0}


async def test_documents_and_questions_have_the_same_kind_of_vector() -> None:
    embedder = HashedWords()
    assert await embedder.embed_documents(["anvil", "forge"]) == [embed("anvil"), await embedder.embed_query("forge")]
    assert embedder.name == "local:hashed-words"
