"""What a model says in halves of characters."""

from __future__ import annotations

import json
from typing import Any

import pydantic_ai.models
import pytest
from pydantic_ai.messages import ModelResponse, TextPart, ThinkingPart, ToolCallPart

from shared.adapters.pydantic_ai.characters import CharacterStream, mend_characters
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from tests.support.agent_turns import Recorder, model_of, turn_of
from tests.support.provider_stubs.anthropic import Anthropic
from tests.support.provider_stubs.replies import Answer
from tests.support.provider_stubs.server import running

CLAUDE = "claude-sonnet-4-6"
HIGH, LOW = "\ud83d", "\ude00"


@pytest.mark.loopback
@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (("Ha ", HIGH, f"{LOW} ha"), ["Ha ", "😀 ha"]),
        ((f"Ha {HIGH}", f"{LOW}{HIGH}", LOW), ["Ha ", "😀", "😀"]),
        ((f"Ha {HIGH}{LOW}",), ["Ha 😀"]),
        ((f"Ha {HIGH}", " ha"), ["Ha ", "\ufffd ha"]),
        ((f"{LOW}Ha",), ["\ufffdHa"]),
        ((f"Ha {HIGH}",), ["Ha ", "\ufffd"]),
        (("Grüße, ", "世界"), ["Grüße, ", "世界"]),
    ],
)
async def test_characters_that_come_in_halves_are_shown_and_kept_whole(
    pieces: tuple[str, ...], shown: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pydantic_ai.models, "ALLOW_MODEL_REQUESTS", True)
    recorder = Recorder()
    async with running(Anthropic(CLAUDE), [Answer(pieces)]) as stub:
        models = Models(ProviderSettings(anthropic_api_key="none", anthropic_base_url=stub.base_url))
        try:
            result = await PydanticAiRunner(models).run(turn_of(model_of(f"anthropic:{CLAUDE}")), recorder, recorder)
        finally:
            await models.aclose()
    assert recorder.deltas == shown
    (response,) = recorder.responses
    assert response.text == result.output == "".join(shown)
    assert [part["content"] for part in json.loads(response.messages[-1])["parts"]] == [response.text]


@pytest.mark.parametrize("arguments", [f'{{"word": "{HIGH}{LOW}"}}', {"word": f"{HIGH}{LOW}"}, {"word": "😀"}])
def test_so_are_those_of_what_it_thinks_and_asks_of_tools(arguments: str | dict[str, Any]) -> None:
    call = ToolCallPart("lookup", arguments)
    thought = ThinkingPart(f"Hm {HIGH}")
    mend_characters(ModelResponse([thought, TextPart("Well"), call]))
    assert (thought.content, call.args_as_dict()) == ("Hm \ufffd", {"word": "😀"})


def test_the_end_of_a_text_is_told_once() -> None:
    stream = CharacterStream()
    assert [stream.take(f"Ha {HIGH}"), stream.end(), stream.end(), stream.take("!")] == ["Ha ", "\ufffd", "", "!"]
