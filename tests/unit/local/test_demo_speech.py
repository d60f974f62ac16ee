"""How the demo prints an answer while it streams."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

from rich.console import Console

from scripts.local.demo_screen import Speech, turn_error
from scripts.local.run_view import SessionView

RUN, NODE = "r1", "main~0"
ANSWER = "Nine percent fewer broken threads, as [bold]they[/bold] say of cloth that is woven beside a fire."


def event(seq: int, author: str, text: str, *, complete: bool = False, **more: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "run_id": RUN,
        "author": author,
        "content": {"text": text},
        "metadata": {"instance": NODE, "step": 0} if author == "agent" else {},
        "turn_complete": complete,
        "error_code": None,
        "error_message": None,
        **more,
    }


class Turn:
    """A turn that somebody listens to, and what has been printed of it on a narrow screen."""

    def __init__(self) -> None:
        self.view = SessionView()
        self._screen = StringIO()
        self._speech = Speech(Console(file=self._screen, width=20, no_color=True), RUN)
        self.logs(1, "user", "What did they find?")

    def streams(self, text: str, *, revision: int, attempt: int = 1) -> str:
        """The only segment of the answer is now this; what has been printed then."""
        segment = {"step": 0, "try": attempt, "n": 0, "rev": revision, "start": 0, "text": text, "final": False}
        node = self.view.run.node(NODE)
        node.take({"state": "running"})
        node.take_segments({"0": segment})
        assert not self._speech.show(self.view)
        return self._screen.getvalue()

    def node_ends(self, output: str) -> str:
        """The node has ended with this; what has been printed then."""
        self.view.run.node(NODE).take({"state": "succeeded", "output_json": json.dumps(output)})
        assert not self._speech.show(self.view)
        return self._screen.getvalue()

    def logs(self, seq: int, author: str, text: str, *, complete: bool = False, **more: Any) -> str:
        """An event arrives; what has been printed then."""
        self.view.take(event(seq, author, text, complete=complete, **more))
        assert self._speech.show(self.view) == complete
        return self._screen.getvalue()


def test_what_is_new_is_printed_as_it_arrives_as_it_is_and_in_one_line() -> None:
    turn = Turn()

    printed = [turn.streams(ANSWER[:length], revision=length) for length in (4, 4, 31, 60, len(ANSWER))]

    assert printed == [ANSWER[:4], ANSWER[:4], ANSWER[:31], ANSWER[:60], ANSWER]


def test_the_event_that_ends_the_turn_adds_only_what_had_not_streamed() -> None:
    turn = Turn()
    turn.streams(ANSWER[:31], revision=1)

    assert turn.logs(2, "agent", ANSWER, complete=True) == f"{ANSWER}\n"


def test_tools_that_are_called_between_are_named() -> None:
    turn = Turn()
    calls = {"text": "Let me look.", "calls": [{"name": "file_read"}, {"name": "grep"}]}

    turn.streams("Let me look.", revision=1)
    turn.logs(2, "agent", "", content=calls)

    assert turn.logs(3, "agent", "Found.", complete=True) == "Let me look.\n(calls file_read, grep)\nFound.\n"


def test_an_answer_that_begins_again_is_said_to() -> None:
    turn = Turn()
    turn.streams("Ten percent", revision=1)

    printed = turn.streams("Nine percent", revision=1, attempt=2)

    told = "Ten percent (the answer starts again: another worker took over) Nine percent"
    assert " ".join(printed.split()) == told


def test_the_nodes_end_takes_nothing_back_where_it_comes_before_the_event() -> None:
    turn = Turn()
    turn.streams(ANSWER[:31], revision=1)

    assert turn.node_ends(ANSWER) == turn.view.live_text == ANSWER[:31]
    assert turn.logs(2, "agent", ANSWER, complete=True) == f"{ANSWER}\n"


def test_a_whole_answer_that_is_less_than_what_streamed_is_said_anew() -> None:
    turn = Turn()
    turn.streams("Nine percent more", revision=1)

    printed = turn.logs(2, "agent", "Nine percent", complete=True)

    assert " ".join(printed.split()).endswith("another worker took over) Nine percent")


def test_what_others_said_in_the_session_is_not_printed() -> None:
    turn = Turn()

    assert turn.logs(2, "agent", "Before.", run_id="r0") == ""


def test_why_a_turn_failed_is_told() -> None:
    turn = Turn()
    turn.logs(2, "agent", "", complete=True, error_code="model_unavailable", error_message="It is down.")

    assert turn_error(turn.view, RUN) == "model_unavailable: It is down."
    assert turn_error(turn.view, "another") is None
