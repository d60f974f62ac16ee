"""Characters of text: JSON writes one beyond U+FFFF as two halves, and some say only one of them.

Source: https://www.rfc-editor.org/rfc/rfc8259#section-8.2
"""

from __future__ import annotations


def whole_characters(text: str) -> str:
    """The text with halves joined that belong together; a half that stands alone is U+FFFD.

    No document, frame or answer can hold half of a character.
    """
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
