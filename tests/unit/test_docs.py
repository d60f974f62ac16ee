"""What the documents refer to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_PATH = re.compile(r"`((?:shared|functions|scripts|tests|docs|web)/[\w./*-]+)`")
_LINK = re.compile(r"\]\(([^)#]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_and_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    paths = {ROOT / path for path in _PATH.findall(text)}
    links = {page.parent / link for link in _LINK.findall(text) if "://" not in link}
    missing = [str(path.relative_to(ROOT)) for path in paths if not any(ROOT.glob(str(path.relative_to(ROOT))))]
    missing += [str(link) for link in links if not link.exists()]
    assert missing == []
