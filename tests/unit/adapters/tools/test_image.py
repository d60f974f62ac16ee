"""`image`."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from shared.adapters.tools.image_program import LONGEST_EDGE, MAX_COPY_BYTES
from shared.domain.errors import DomainError, NotFound
from shared.domain.tools import Attachment, ShownFile
from tests.support.image_files import GPS_MARK, animation, huge_png, image_of, tagged_photo
from tests.support.workspaces import TestingWorkspace


@pytest.fixture
def workspace() -> TestingWorkspace:
    return TestingWorkspace()


def opened(shown: ShownFile) -> Image.Image:
    return Image.open(io.BytesIO(shown.content))


@pytest.mark.parametrize(
    ("name", "content", "facts"),
    [
        ("a.png", image_of(), ("PNG", 40, 20, 1)),
        ("a.jpg", image_of("JPEG"), ("JPEG", 40, 20, 1)),
        ("side.jpg", tagged_photo(), ("JPEG", 20, 40, 1)),
        ("a.gif", animation(), ("GIF", 8, 8, 3)),
        ("a.webp", image_of("WEBP"), ("WEBP", 40, 20, 1)),
        ("a.bmp", image_of("BMP"), ("BMP", 40, 20, 1)),
        ("a.tif", image_of("TIFF", mode="L"), ("TIFF", 40, 20, 1)),
        ("named.txt", image_of(), ("PNG", 40, 20, 1)),
        ("large.jpg", image_of("JPEG", (6000, 4000)), ("JPEG", 6000, 4000, 1)),
    ],
)
async def test_an_image_is_described_and_attached(
    workspace: TestingWorkspace, name: str, content: bytes, facts: tuple[str, int, int, int]
) -> None:
    await workspace.store(name, content)

    result = await workspace.call("image", path=name)

    assert not result.is_error, result.content
    told: dict[str, Any] = result.content
    assert (told["format"], told["width"], told["height"], told["frames"]) == facts
    (attachment,) = result.attachments
    assert (attachment.name, attachment.version) == (name, 1)
    shown = await workspace.show(attachment)
    assert opened(shown).size == (facts[1], facts[2]) or max(opened(shown).size) == LONGEST_EDGE
    assert shown.mime_type == ("image/jpeg" if facts[0] == "JPEG" else "image/png")


async def test_a_copy_for_a_model_tells_nothing_but_the_picture(workspace: TestingWorkspace) -> None:
    photo = tagged_photo()
    assert GPS_MARK in photo
    await workspace.store("a.jpg", photo)

    result = await workspace.call("image", path="a.jpg")
    shown = await workspace.show(result.attachments[0])

    assert GPS_MARK not in shown.content
    assert not opened(shown).getexif()
    assert GPS_MARK.decode() not in str(result.content)


async def test_transparency_and_size_are_kept_within_what_models_take(workspace: TestingWorkspace) -> None:
    noise = Image.effect_noise((1500, 1500), 200).convert("RGBA")
    written = io.BytesIO()
    noise.save(written, "PNG")
    await workspace.store("noise.png", written.getvalue())
    await workspace.store("clear.png", image_of(mode="RGBA"))

    shown = await workspace.show(Attachment("noise.png", 1, "image/png"))
    clear = await workspace.show(Attachment("clear.png", 1, "image/png"))

    assert len(shown.content) <= MAX_COPY_BYTES
    assert opened(clear).mode == "RGBA"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.png", image_of()[:60], "The image 'a.png' is broken, so it cannot be read."),
        ("a.jpg", image_of("JPEG", (400, 400))[:900], "The image 'a.jpg' is broken, so it cannot be read."),
        ("a.png", huge_png(), "The image 'a.png' needs too much memory to be read."),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "The image 'a.svg' is none that can be read"),
        ("a.bin", b"\0\1\2", "The image 'a.bin' is none that can be read: PNG, JPEG, GIF, WebP, BMP and TIFF are"),
        ("a.txt", b"text", "'a.txt' (text/plain, 4 bytes) is not an image."),
    ],
)
async def test_what_is_no_readable_image_is_explained(
    workspace: TestingWorkspace, name: str, content: bytes, message: str
) -> None:
    await workspace.store(name, content)

    assert (await workspace.refusal("image", path=name)).startswith(message)


async def test_a_file_that_is_gone_cannot_be_shown(workspace: TestingWorkspace) -> None:
    with pytest.raises(NotFound):
        await workspace.show(Attachment("gone.png", 1, "image/png"))
    await workspace.put(a_txt="text")
    with pytest.raises(DomainError):
        await workspace.show(Attachment("a.txt", 1, "image/png"))
