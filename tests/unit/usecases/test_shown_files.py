"""Files that tools show: references in the journal, in events, and in what a takeover finds."""

from __future__ import annotations

from shared.domain.events import result_content
from shared.domain.journal import read_journal, record_result
from shared.domain.tools import Attachment, ToolCall, ToolResult
from shared.domain.usage import Usage
from tests.support.engine_rig import CountingToolbox, EngineRig
from tests.support.scripted_runner import ScriptedRunner, Step

CALL = ToolCall(0, "c1", "image", {"path": "a.png"})
PICTURE = Attachment("a.png", 2, "image/png")
REFERENCE = {"name": "a.png", "version": 2, "mime_type": "image/png"}


def test_a_takeover_finds_the_reference_in_the_journal() -> None:
    result = ToolResult({"width": 4}, attachments=(PICTURE,))
    record = record_result("journal", CALL, result, Usage())
    assert read_journal({"0000-c1": record.fields}).results == {"0000-c1": result}


def test_a_result_that_was_recorded_before_there_were_references_is_read() -> None:
    fields = dict(record_result("journal", CALL, ToolResult("x"), Usage()).fields)
    del fields["attachments"]
    assert read_journal({"0000-c1": fields}).results == {"0000-c1": ToolResult("x")}


def test_an_event_names_the_files_only_where_there_are_some() -> None:
    assert "attachments" not in result_content(CALL, ToolResult("x"))
    assert result_content(CALL, ToolResult("x", attachments=(PICTURE,)))["attachments"] == [REFERENCE]


async def test_the_event_of_a_tool_that_shows_a_file_names_it() -> None:
    steps = (Step(("let me see",), (("image", {"path": "a.png"}),)), Step(("done",)))
    toolbox = CountingToolbox({"image": lambda _: ToolResult({"width": 4}, attachments=(PICTURE,))})
    rig = EngineRig(ScriptedRunner(lambda _: steps), toolbox)
    started = await rig.start(await rig.make_agent(tools=["image"]))
    await rig.drain()
    (told,) = [event for event in await rig.events(started.run.session_id) if event["author"] == "tool"]
    assert told["content"]["result"]["attachments"] == [REFERENCE]
