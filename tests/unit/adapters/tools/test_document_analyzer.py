"""`document_analyzer`."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.tools import pdf_text as pdf_text_module
from shared.adapters.tools.html_text import html_text
from shared.adapters.tools.pdf_text import pdf_text
from shared.domain.errors import FailedPrecondition
from tests.support.office_files import bomb, docx_of, locked, xlsx_of, zip_of
from tests.support.pdf_files import encrypted, pdf_of
from tests.support.workspaces import TestingWorkspace

PAGE = """<!DOCTYPE html><html><head><title> Notes &amp; more </title><style>p{color:red}</style>
<script>if (1 < 2) document.write("no")</script></head><body><h1 class="x">Hello <b>World</b></h1>
<p>One&nbsp;two<br>1 < 2 &lt;tag&gt;<!-- hidden --><table><tr><td>a</td><td>b</td></tr></table><h2>End"""
MEBIBYTE = 1024 * 1024
REAL = Path(__file__).parents[3] / "data" / "documents"
"""Files of real programs, and how they were made."""


@pytest.fixture
def workspace() -> TestingWorkspace:
    return TestingWorkspace()


async def test_the_facts_and_text_of_a_markdown_file(workspace: TestingWorkspace) -> None:
    text = "# Title #\n\nWords here.\n\n```sh\n# no heading\n```\n## Second\n#nor this\n####### nor this\n"
    await workspace.put(a_md=text)

    assert await workspace.answer("document_analyzer", path="a.md") == {
        "path": "a.md",
        "version": 1,
        "mime_type": "text/markdown",
        "title": "Title",
        "characters": len(text),
        "words": len(text.split()),
        "headings": [{"level": 1, "text": "Title"}, {"level": 2, "text": "Second"}],
        "offset": 0,
        "text": text,
        "truncated": False,
    }


async def test_the_visible_text_of_a_page_without_its_marks(workspace: TestingWorkspace) -> None:
    await workspace.put(page_html=PAGE)

    answer = await workspace.answer("document_analyzer", path="page.html")

    assert answer["title"] == "Notes & more"
    assert answer["headings"] == [{"level": 1, "text": "Hello World"}, {"level": 2, "text": "End"}]
    assert answer["text"] == "Hello World\n\nOne two\n1 < 2 <tag>\n\na b\n\nEnd"


async def test_a_page_in_an_old_encoding_is_read(workspace: TestingWorkspace) -> None:
    await workspace.put(page_html="<p>Größe</p>".encode("windows-1252"))

    assert (await workspace.answer("document_analyzer", path="page.html"))["text"] == "Größe"


async def test_a_pdf_tells_its_title_pages_and_text(workspace: TestingWorkspace) -> None:
    await workspace.put(paper_pdf=pdf_of("Hello from page one", "And from page two", title="A Paper"))

    answer = await workspace.answer("document_analyzer", path="paper.pdf")

    assert (answer["title"], answer["pages"]) == ("A Paper", 2)
    assert answer["text"] == "Hello from page one\n\nAnd from page two"
    assert answer["mime_type"] == "application/pdf"


async def test_a_word_file_tells_its_title_headings_tables_and_text(workspace: TestingWorkspace) -> None:
    await workspace.put(
        report_docx=docx_of("# Findings", "The forge & the anvil.", "## Figures", [["a", "b"], ["1", "2"]], title="T")
    )

    answer = await workspace.answer("document_analyzer", path="report.docx")

    assert answer["title"] == "T"
    assert answer["headings"] == [{"level": 1, "text": "Findings"}, {"level": 2, "text": "Figures"}]
    assert [line for line in answer["text"].split("\n") if line] == [
        "Findings",
        "The forge & the anvil.",
        "Figures",
        "a",
        "b",
        "1",
        "2",
    ]


async def test_a_compressed_pdf_with_a_font_of_its_own_is_read(workspace: TestingWorkspace) -> None:
    await workspace.store("forge.pdf", (REAL / "forge.pdf").read_bytes())

    answer = await workspace.answer("document_analyzer", path="forge.pdf")

    assert (answer["title"], answer["pages"]) == ("The forge of Ηφαιστος", 2)
    assert [line for line in answer["text"].splitlines() if line] == [
        "The forge",
        "The hearth glows at 1 200 °C — “cherry red”, says the smith Łukasz.",
        "Steel of grade C45 is quenched in oil, never in water.",
        "Ὁ ἄκμων — the anvil — weighs ninety kilograms.",
        "Its warranty lasts ten years.",
    ]


async def test_a_word_file_with_all_that_its_program_adds_is_read(workspace: TestingWorkspace) -> None:
    await workspace.store("rules.docx", (REAL / "house-rules.docx").read_bytes())

    answer = await workspace.answer("document_analyzer", path="rules.docx")

    assert answer["title"] == "House rules"
    assert answer["headings"] == [{"level": 1, "text": "Visitors"}, {"level": 2, "text": "Opening hours"}]
    assert [line for line in answer["text"].splitlines() if line] == [
        "House rules",
        "Visitors",
        "Visitors register at the front desk, and wear a badge — also Łukasz.",
        "No loose sleeves.",
        "Goggles at the grinder.",
        "Opening hours",
        *("day", "hours", "Saturday", "9 to 13"),
    ]


async def test_a_word_file_that_was_really_encrypted_is_refused_politely(workspace: TestingWorkspace) -> None:
    await workspace.store("rules.docx", (REAL / "house-rules-encrypted.docx").read_bytes())

    refusal = await workspace.refusal("document_analyzer", path="rules.docx")

    assert refusal == "The document is encrypted with a password, so it cannot be read."


async def test_an_excel_file_tells_its_sheets_and_cells(workspace: TestingWorkspace) -> None:
    await workspace.put(book_xlsx=xlsx_of(Prices=[["item", "price"], ["anvil", 12.5]], Empty=[], More=[[None, True]]))

    answer = await workspace.answer("document_analyzer", path="book.xlsx")

    assert [heading["text"] for heading in answer["headings"]] == ["Prices", "Empty", "More"]
    assert answer["text"] == "Prices\nitem\tprice\nanvil\t12.5\n\nEmpty\n\n\nMore\n\tTrue"


async def test_a_table_in_plain_text_is_read_as_it_is(workspace: TestingWorkspace) -> None:
    await workspace.put(a_csv="item,price\nanvil,12.5\n")

    answer = await workspace.answer("document_analyzer", path="a.csv")

    assert (answer["mime_type"], answer["text"]) == ("text/csv", "item,price\nanvil,12.5\n")


async def test_a_long_text_is_read_in_parts(workspace: TestingWorkspace) -> None:
    await workspace.put(a_txt="0123456789")

    first = await workspace.answer("document_analyzer", path="a.txt", max_characters=6)
    rest = await workspace.answer("document_analyzer", path="a.txt", offset=first["next_offset"])

    assert (first["text"], first["truncated"], first["next_offset"]) == ("012345", True, 6)
    assert (rest["text"], rest["truncated"], "next_offset" in rest) == ("6789", False, False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (encrypted(pdf_of("secret"), "pass"), "The PDF is encrypted with a password, so it cannot be read."),
        (b"%PDF-1.7\nand then nothing", "The PDF is broken, so it cannot be read."),
        (b"%PDF-", "The PDF is broken, so it cannot be read."),
        (pdf_of("cut")[:200], "The PDF is broken, so it cannot be read."),
    ],
)
async def test_a_pdf_that_cannot_be_read_is_explained(
    workspace: TestingWorkspace, content: bytes, message: str
) -> None:
    await workspace.put(paper_pdf=content)

    assert await workspace.refusal("document_analyzer", path="paper.pdf") == message


async def test_a_pdf_that_needs_no_password_to_be_opened_is_read(workspace: TestingWorkspace) -> None:
    await workspace.put(paper_pdf=encrypted(pdf_of("open to all"), ""))

    assert (await workspace.answer("document_analyzer", path="paper.pdf"))["text"] == "open to all"


async def test_a_pdf_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(FailedPrecondition, match=r"takes longer than 0 seconds to read"):
        await pdf_text(pdf_of("slow"), seconds=0)


async def test_nobody_waits_for_a_pdf_that_hangs_and_its_process_is_killed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hanging = tmp_path / "hanging.py"
    hanging.write_text("import threading; threading.Event().wait()")
    monkeypatch.setattr(pdf_text_module, "_PROGRAM", hanging)
    started: asyncio.Queue[asyncio.subprocess.Process] = asyncio.Queue()
    start = asyncio.create_subprocess_exec

    async def remember(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*arguments, **options)
        started.put_nowait(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", remember)

    reading = asyncio.create_task(pdf_text(pdf_of("text")))
    process = await started.get()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    assert process.returncode == -signal.SIGKILL


async def test_a_pdf_that_makes_its_reader_crash_counts_as_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    crashing = tmp_path / "crashing.py"
    crashing.write_text("import sys; print('{'); sys.exit(1)")
    monkeypatch.setattr(pdf_text_module, "_PROGRAM", crashing)

    with pytest.raises(FailedPrecondition, match="is broken"):
        await pdf_text(pdf_of("text"))


async def test_the_reader_of_a_pdf_sees_none_of_the_processs_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    telling = tmp_path / "telling.py"
    telling.write_text(
        "import json, os; text = ' '.join(os.environ)\nprint(json.dumps({'title': None, 'pages': 1, 'texts': [text]}))"
    )
    monkeypatch.setattr(pdf_text_module, "_PROGRAM", telling)
    monkeypatch.setenv("GOOGLE_API_KEY", "secret")

    names = (await pdf_text(pdf_of("text"))).texts[0].split()

    assert "PYTHONPATH" in names
    assert "GOOGLE_API_KEY" not in names


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("picture.png", b"\x89PNG\r\n\x1a\n\0", "is not plain text, Markdown, HTML, PDF, Word or Excel."),
        ("page.html", b"<p>\0\xff", "is not plain text, Markdown, HTML, PDF, Word or Excel."),
        ("a.docx", b"PK\x03\x04\0", "The document is broken, so it cannot be read."),
        ("a.docx", docx_of("cut")[:-200], "The document is broken, so it cannot be read."),
        ("a.docx", locked(), "The document is encrypted with a password, so it cannot be read."),
        ("a.doc", locked()[:600], "The document is in an old binary format of Office; save it as .docx or .xlsx."),
        ("a.zip", zip_of(note=b"x"), "The document is an archive, not a document."),
        ("a.docx", zip_of(**{"word/document.xml": b"<a>" * 99}), "The document is broken, so it cannot be read."),
        ("a.docx", bomb(), "The document needs too much memory to be read."),
    ],
)
async def test_other_kinds_of_files_are_refused_politely(
    workspace: TestingWorkspace, name: str, content: bytes, message: str
) -> None:
    await workspace.store(name, content)

    assert message in await workspace.refusal("document_analyzer", path=name)


async def test_an_offset_behind_the_end_is_explained(workspace: TestingWorkspace) -> None:
    await workspace.put(a_txt="abc")

    assert await workspace.refusal("document_analyzer", path="a.txt", offset=4) == (
        "offset is 4, but the text has 3 characters."
    )


@given(st.text(alphabet="<>/!-ph1 script&#;x\n=\"'", max_size=80))
def test_any_html_has_a_text(page: str) -> None:
    found = html_text(page, max_headings=5)

    assert len(found.headings) <= 5
    assert "<script>" not in found.text


@pytest.mark.parametrize("piece", ["<script>", "<a ", "<!--", "<", "<!", "&", "<title>"])
def test_html_that_hangs_other_parsers_is_read(piece: str) -> None:
    found = html_text(piece * (MEBIBYTE // 4 // len(piece)), max_headings=5)

    assert len(found.text) <= MEBIBYTE // 4
