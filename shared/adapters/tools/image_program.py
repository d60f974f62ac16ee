"""Prints what an image is, or a copy for a model to see; a program of its own, so that a bomb can be stopped.

It reads the file from standard input. Arguments: `facts` or `copy`, and the most seconds and bytes of memory to take.
A copy is upright, no larger than models look at, and has none of the file's metadata: no place, no owner, no comment.
"""

from __future__ import annotations

import base64
import io
import json
import sys
import warnings
from typing import TYPE_CHECKING, Any

from shared.processes.program_limits import limit

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
MAX_PIXELS = 40_000_000
LONGEST_EDGE = 1568
"""Models make larger ones smaller before they look.

Source: https://docs.claude.com/en/docs/build-with-claude/vision#evaluate-image-size
"""
MAX_COPY_BYTES = 3_500_000
"""Below 5 MB in base64, which is the most that Anthropic takes."""


def main(what: str, seconds: int, memory_bytes: int) -> None:
    """Read the image and print an object with its facts, or with `media_type` and `data`, or with `error`."""
    limit(seconds, memory_bytes)
    from PIL import Image, UnidentifiedImageError

    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MAX_PIXELS
    try:
        found = _read(sys.stdin.buffer.read(), what)
    except UnidentifiedImageError:
        found = {"error": "is none that can be read: PNG, JPEG, GIF, WebP, BMP and TIFF are, unless they are broken"}
    except (MemoryError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        found = {"error": "too large"}
    except Exception:  # noqa: BLE001 - Pillow raises of every kind for broken files
        found = {"error": "broken"}
    sys.stdout.write(json.dumps(found))


def _read(content: bytes, what: str) -> dict[str, Any]:
    from PIL import Image, ImageOps

    with Image.open(io.BytesIO(content), formats=FORMATS) as opened:
        wide, high = opened.size
        facts = {"format": opened.format, "frames": getattr(opened, "n_frames", 1)}
        opened.draft("RGB", (2 * LONGEST_EDGE, 2 * LONGEST_EDGE))  # a large JPEG is not decoded whole
        opened.load()
        turned = ImageOps.exif_transpose(opened)
    if what == "facts":
        swapped = (turned.width > turned.height) != (wide > high)
        return {**facts, "width": high if swapped else wide, "height": wide if swapped else high}
    turned.thumbnail((LONGEST_EDGE, LONGEST_EDGE))
    media_type, data = _copy(turned, as_jpeg=facts["format"] == "JPEG")
    return {"media_type": media_type, "data": base64.b64encode(data).decode()}


def _copy(image: Image, *, as_jpeg: bool) -> tuple[str, bytes]:
    """The pixels and nothing else: as PNG, or as JPEG where they came so or would be too many bytes."""
    from PIL import Image as Images

    with_alpha = image.convert("RGBA")
    if not as_jpeg:
        written = io.BytesIO()
        bare = Images.new("RGBA", image.size)
        bare.paste(with_alpha)
        bare.save(written, "PNG")
        if written.tell() <= MAX_COPY_BYTES:
            return "image/png", written.getvalue()
    written = io.BytesIO()
    flat = Images.new("RGB", image.size, "white")
    flat.paste(with_alpha, mask=with_alpha.getchannel("A"))
    flat.save(written, "JPEG", quality=90)
    return "image/jpeg", written.getvalue()


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
