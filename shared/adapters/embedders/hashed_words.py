"""`local:hashed-words`: vectors from the words of a text, with no model, key or network.

It finds texts that share words and stems with a question, rare or long ones counting more; it knows nothing of meaning
and no synonyms. For development, demos and tests; the same text gives the same vector on every machine.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence

from shared.domain.knowledge import DIMENSIONS
from shared.domain.writes import Vector

NAME = "local:hashed-words"
_WORD = re.compile(r"\w+")
_PREFIX = 5
_STOP_WORDS = """a about after all also an and any are as at be because been before between both but by can
    could did do does for from had has have he her his how i if in into is it its just may me more most my no
    not of on one only or other our out over she should so some such than that the their them then there these
    they this those through to under up use was we were what when where which while who why will with would you
    your"""
_STOP = frozenset(_STOP_WORDS.split())
_ENDINGS = ("ingly", "edly", "ing", "ies", "ed", "es", "ly", "s")


class HashedWords:
    """`Embedder` by hashing."""

    @property
    def name(self) -> str:
        """`local:hashed-words`."""
        return NAME

    async def embed_documents(self, texts: Sequence[str]) -> list[Vector]:
        """One vector for each text."""
        return [embed(text) for text in texts]

    async def embed_query(self, text: str) -> Vector:
        """The vector of a question; as of any text."""
        return embed(text)


def embed(text: str) -> Vector:
    """The vector of a text, of length 1; a text without words has one too, that is like no other."""
    places = [0.0] * DIMENSIONS
    counted = Counter(_features(text)) or Counter([f"text {text}"])
    for feature, count in counted.items():
        digest = hashlib.blake2b(feature.encode(errors="replace"), digest_size=8).digest()
        number = int.from_bytes(digest)
        # Half of the features count negatively, so that those which meet by chance cancel each other out.
        places[number % DIMENSIONS] += (1 if number >> 63 else -1) * _weight(feature) * (1 + math.log(count))
    length = math.hypot(*places) or 1.0
    return Vector(tuple(place / length for place in places))


def _features(text: str) -> Iterator[str]:
    """The stems of a text's words, and the beginnings of long ones."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    words = _WORD.findall("".join(one for one in plain if not unicodedata.combining(one)))
    meaningful = [word for word in words if word not in _STOP] or words
    for word in meaningful:
        stem = _stem(word)
        yield stem
        if len(stem) > _PREFIX:
            yield f"{stem[:_PREFIX]}-"


def _stem(word: str) -> str:
    """Without the commonest endings of English, so that "warranties" finds "warranty"."""
    for ending in _ENDINGS:
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2 and not word.endswith("ss"):  # noqa: PLR2004 - letters that make a word
            return stem + "y" if ending == "ies" else stem.removesuffix("e")
    return word.removesuffix("e") if len(word) > 3 else word  # noqa: PLR2004 - as above


def _weight(feature: str) -> float:
    """Long words are rarer; a beginning counts less than the whole."""
    return 0.5 if feature.endswith("-") else 1.0 if len(feature) > 2 else 0.5  # noqa: PLR2004 - as above
