"""Image files for tests."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

GPS_MARK = b"52 deg 31 min"


def image_of(kind: str = "PNG", size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: Any) -> bytes:
    """An image of one colour, orange where there are colours."""
    made = Image.new(mode, size, "orange" if mode in {"RGB", "RGBA"} else 1)
    written = io.BytesIO()
    made.save(written, kind, **options)
    return written.getvalue()


def tagged_photo(size: tuple[int, int] = (40, 20)) -> bytes:
    """A JPEG that lies on its side, and says in its metadata where it was made."""
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees
    exif[0x010E] = GPS_MARK.decode()
    return image_of("JPEG", size, exif=exif, comment=b"a comment by " + GPS_MARK)


def animation() -> bytes:
    """A GIF of three frames."""
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "green", "blue")]
    written = io.BytesIO()
    frames[0].save(written, "GIF", save_all=True, append_images=frames[1:])
    return written.getvalue()


def huge_png(side: int = 20_000) -> bytes:
    """A small PNG that unfolds to a square of so many pixels a side."""
    rows = zlib.compress(b"\0" * (side // 8 + 1), 9)  # one row is enough: nobody is to decode it
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
