"""Text or binary, and of which kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.media_types import decode_text, detect_media_type, is_textual

PNG = b"\x89PNG\r\n\x1a\n\0\0"


@pytest.mark.parametrize(
    ("name", "content", "media_type"),
    [
        ("review.md", b"# Review", "text/markdown"),
        ("src/app.py", b"pass", "text/x-python"),
        ("web/app.ts", b"let a = 1", "text/typescript"),
        ("data.json", b"{}", "application/json"),
        ("a.yaml", b"a: 1", "application/yaml"),
        ("page.html", b"<p>", "text/html"),
        ("logo.svg", b"<svg/>", "image/svg+xml"),
        ("Makefile", b"all:", "text/plain"),
        ("empty", b"", "text/plain"),
        ("picture.png", PNG, "image/png"),
        ("picture", PNG, "image/png"),
        ("picture.png", b"not a picture", "text/plain"),
        ("notes.txt", PNG, "application/octet-stream"),
        ("unknown", b"\xff\xfe\xfd", "application/octet-stream"),
        ("paper.pdf", b"%PDF-1.7\n", "application/pdf"),
        ("paper.txt", b"%PDF-1.7\n", "application/pdf"),
        ("archive", b"PK\x03\x04\0", "application/zip"),
        ("report.docx", b"PK\x03\x04\0", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        ("logs.txt.gz", b"\x1f\x8b\x08\0", "application/gzip"),
        ("utf16.txt", "ä".encode("utf-16"), "text/plain"),
        ("data:x,y;base64", b"text", "text/plain"),
        ("//host/a?b#c.md", b"text", "text/markdown"),
    ],
)
def test_the_type_is_what_the_name_says_unless_the_bytes_contradict(name: str, content: bytes, media_type: str) -> None:
    assert detect_media_type(name, content) == media_type


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        ("grüße".encode(), "grüße"),
        ("\ufeffa".encode(), "a"),
        ("ä".encode("utf-16"), "ä"),
        (b"a\0b", None),
        (b"\xe4", None),
        (b"\xff\xfea", None),
        (PNG, None),
    ],
)
def test_text_is_utf_8_or_marked_utf_16_without_nul(content: bytes, text: str | None) -> None:
    assert decode_text(content) == text


@given(st.text(max_size=30), st.binary(max_size=30))
def test_every_file_has_a_type_and_binary_content_never_a_textual_one(name: str, content: bytes) -> None:
    textual = is_textual(detect_media_type(name, content))

    assert not (textual and decode_text(content) is None)
