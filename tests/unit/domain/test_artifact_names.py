"""Names of artifacts and the document ids made of them."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.artifact_names import artifact_id, artifact_name
from shared.domain.document_limits import check_path
from shared.domain.errors import InvalidArgument

AWKWARD = st.text(alphabet=st.sampled_from("ab./\\_-%é \u0301\u202e\0\ud800"), max_size=12)
ANY_PATH = st.one_of(st.text(max_size=40), AWKWARD)


def accepted(path: str) -> str | None:
    try:
        return artifact_name(path)
    except InvalidArgument:
        return None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("review.md", "review.md"),
        ("./src//app.py", "src/app.py"),
        ("src/./app.py", "src/app.py"),
        ("a b/ü.txt", "a b/ü.txt"),
        ("u\u0308.txt", "ü.txt"),
        (".gitignore", ".gitignore"),
        ("...", "..."),
        ("a..b", "a..b"),
        ("x" * 512, "x" * 512),
        ("emoji/👩\u200d🚀.txt", "emoji/👩\u200d🚀.txt"),
    ],
)
def test_a_relative_path_has_one_normal_form(path: str, name: str) -> None:
    assert artifact_name(path) == name


@pytest.mark.parametrize(
    ("path", "reasons"),
    [
        ("", ["is empty"]),
        (".", ["is empty"]),
        ("/etc/passwd", ["starts with '/'"]),
        ("../secret", ["contains '..'"]),
        ("a/../b", ["contains '..'"]),
        ("a/", ["ends like a folder"]),
        ("a\\b", ["contains a backslash"]),
        ("a\nb", ["contains control characters"]),
        ("a\0b", ["contains control characters"]),
        ("a\u2028b", ["contains control characters"]),
        ("exe\u202egnp.txt", ["contains characters that change the writing direction"]),
        ("\ud800", ["contains half of a surrogate pair"]),
        ("x" * 513, ["is longer than 512 bytes"]),
        ("ü" * 257, ["is longer than 512 bytes"]),
        ("ü" * 256, ["is longer than 1500 bytes in percent-encoding"]),
        ("/../\u202e\n/", ["control", "direction", "starts", "'..'", "folder"]),
    ],
)
def test_every_fault_of_a_name_is_reported_at_once(path: str, reasons: list[str]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        artifact_name(path)

    found = [fault.reason for fault in refused.value.faults]
    assert len(found) == len(reasons)
    assert all(reason in text for reason, text in zip(reasons, found, strict=True))
    assert refused.value.message.isascii()


@given(ANY_PATH)
def test_the_normal_form_of_a_normal_form_is_itself(path: str) -> None:
    name = accepted(path)

    if name is not None:
        assert artifact_name(name) == name
        assert ".." not in name.split("/")
        assert not name.startswith("/")


@given(ANY_PATH)
def test_every_name_has_an_id_that_the_store_takes_and_that_tells_the_name(path: str) -> None:
    name = accepted(path)

    if name is not None:
        check_path(f"artifacts/{artifact_id(name)}")
        assert unquote(artifact_id(name)) == name


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("src/app.py", "src%2Fapp.py"),
        ("100%.txt", "100%25.txt"),
        ("it's (1)!.md", "it's%20(1)!.md"),
        ("__init__", "%5F_init__"),
        ("__", "%5F_"),
        ("__init__.py", "__init__.py"),
    ],
)
def test_ids_are_those_that_a_browser_computes_except_where_firestore_reserves_them(name: str, identity: str) -> None:
    assert artifact_id(name) == identity
