"""docs/tools.md says what the code does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.adapters.tools import (
    article_text,
    diff,
    document_reader,
    file_read,
    find,
    grep,
    image_program,
    office_program,
    office_text,
    pdf_text,
    web_get,
)
from shared.domain import line_diffs
from shared.domain.arithmetic import MAX_EXPRESSION_CHARACTERS
from shared.domain.artifact_names import MAX_NAME_BYTES
from shared.domain.ids import Uid
from shared.domain.sessions import MAX_STATE_CHARACTERS
from shared.domain.tool_arguments import (
    MAX_ANALYSED_CHARACTERS,
    MAX_FOUND_PASSAGES,
    MAX_FOUND_PATHS,
    MAX_MATCHES,
    MAX_SEARCHED_COLLECTIONS,
    MAX_STATE_KEYS,
)
from shared.domain.tool_specs import BUILT_IN
from shared.ports.web_client import WebAnswer, WebRequest
from shared.ports.web_search import SearchHit
from shared.usecases.knowledge.create_collection import create_collection
from tests.support.image_files import image_of
from tests.support.knowledge_rig import KnowledgeRig
from tests.support.pdf_files import pdf_of
from tests.support.workspaces import TestingWorkspace

PAGE = (Path(__file__).parents[4] / "docs" / "tools.md").read_text(encoding="utf-8")
TABLE = {
    cells[0].strip("`"): cells
    for line in PAGE.splitlines()
    if line.startswith("| `") and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 5
}


class Engine:
    """Finds one page."""

    async def search(self, query: str, limit: int) -> Sequence[SearchHit]:
        return [SearchHit(query, "https://example.com", "text")][:limit]


class Site:
    """Answers everything with a short text."""

    async def send(self, request: WebRequest) -> WebAnswer:
        return WebAnswer(request.url, 200, {"content-type": "text/plain"}, b"text")


def properties(schema: Any) -> str:
    needed = schema.get("required", [])
    return ", ".join(f"`{name}`{'*' if name in needed else ''}" for name in schema["properties"]) or "-"


def test_the_table_lists_every_tool_with_its_arguments_configuration_and_effect() -> None:
    assert {name: cells[1:4] for name, cells in TABLE.items()} == {
        name: [properties(spec.arguments_schema), properties(spec.config_schema), spec.effect.value]
        for name, spec in BUILT_IN.items()
    }


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("file_read", {"path": "long.txt"}),
        ("file_write", {"path": "b.txt", "content": "x"}),
        ("grep", {"pattern": "x"}),
        ("find", {}),
        ("diff", {"path": "a.txt", "other_path": "long.txt"}),
        ("document_analyzer", {"path": "paper.pdf", "max_characters": 2}),
        ("file_edit", {"path": "a.txt", "old_text": "x", "new_text": "y"}),
        ("save_artifact", {"name": "a.csv", "content": "x"}),
        ("set_state", {"values": {"a": 1}}),
        ("calculator", {"expression": "1 + 1"}),
        ("current_time", {}),
        ("image", {"path": "photo.png"}),
        ("knowledge", {"query": "x"}),
        ("web_search", {"query": "x"}),
        ("web_fetch", {"url": "https://example.com", "max_characters": 2}),
    ],
)
async def test_the_table_names_what_a_tool_answers(tool: str, arguments: dict[str, Any]) -> None:
    rig = KnowledgeRig()
    await create_collection(rig.library, Uid("ada"), "handbook")
    workspace = TestingWorkspace(Engine(), web=Site(), searcher=rig.searcher)
    await workspace.open_session()
    await workspace.put(
        a_txt="x\n", long_txt="x\n" * file_read.MAX_CHARACTERS, paper_pdf=pdf_of("text"), photo_png=image_of()
    )

    config = {"collections": ["handbook"]} if tool == "knowledge" else {}
    answer: dict[str, Any] = (await workspace.call(tool, config, **arguments)).content

    promised = re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", TABLE[tool][4]))
    assert list(answer) == promised


@pytest.mark.parametrize(
    "bound",
    [
        file_read.MAX_CHARACTERS,
        diff.MAX_CHARACTERS,
        MAX_MATCHES,
        grep.MAX_FILES,
        MAX_FOUND_PATHS,
        find.MAX_CHARACTERS,
        MAX_ANALYSED_CHARACTERS,
        article_text.MAX_CHARACTERS,
        web_get.MAX_BYTES,
        document_reader.MAX_HTML_CHARACTERS,
        image_program.MAX_PIXELS,
        image_program.LONGEST_EDGE,
        image_program.MAX_COPY_BYTES,
        office_program.MAX_UNPACKED_BYTES,
        office_text.MAX_CHARACTERS,
        pdf_text.MAX_PAGES,
        pdf_text.MAX_CHARACTERS,
        line_diffs.MAX_EDITS,
        MAX_NAME_BYTES,
        MAX_EXPRESSION_CHARACTERS,
        MAX_STATE_CHARACTERS,
        MAX_STATE_KEYS,
        MAX_FOUND_PASSAGES,
        MAX_SEARCHED_COLLECTIONS,
    ],
)
def test_the_page_states_each_bound(bound: int) -> None:
    assert f"{bound:,}" in PAGE
