"""Models in the engine: which one answered is in the log, tries rise, retries are the node's alone."""

from __future__ import annotations

from typing import Any, cast

from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.providers import ProviderSettings
from shared.adapters.pydantic_ai.runner import PydanticAiRunner
from shared.domain.segments import first_try
from shared.domain.states import RunState
from tests.support.engine_rig import EngineRig
from tests.support.scripted_runner import ScriptedRunner

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


def scripted(*rules: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"provider": "local", "model": "scripted", "script": list(rules), **more}


async def play(model: dict[str, Any], **fields: Any) -> tuple[EngineRig, Any]:
    """A run of one agent to its end, with the real runner."""
    runner = PydanticAiRunner(Models(ProviderSettings()))
    rig = EngineRig(runner=cast("ScriptedRunner", runner))
    started = await rig.start(await rig.make_agent(model=model, **fields))
    while rig.queue.pending:
        await rig.queue.deliver_next(rig.deliver)
        await rig.clock.advance(60)
    return rig, await rig.run(started.run.id)


async def test_the_log_says_which_model_answered_and_in_which_try() -> None:
    broken = {"chunks": ["half an ", "answer"], "error": {"status": 503, "after_chunks": 1}}
    fallback = {"provider": "local", "model": "extractive"}
    rig, run = await play(scripted(broken, fallbacks=[fallback]))
    assert run.state is RunState.SUCCEEDED
    (answer,) = [event for event in await rig.events(run.session_id) if event["author"] == "agent"]
    position = {"instance": "main~0", "step": 0, "try": first_try(1) + 1}
    assert answer["metadata"] == {**position, "model": "local:extractive"}
    assert "half an" not in str(answer)
    assert (await rig.node(run.id, "main~0")).attempt == 1


async def test_a_node_is_tried_again_when_all_its_models_are_down() -> None:
    down = {"error": {"status": 503, "until_attempt": 1}, "chunks": ["up again"]}
    rig, run = await play(scripted(down, fallbacks=[scripted(down)]))
    assert (run.state, await rig.output(run.id)) == (RunState.SUCCEEDED, "up again")
    assert (await rig.node(run.id, "main~0")).attempt == 2
    assert run.usage.requests == 1


async def test_an_output_under_a_schema_is_a_value_and_wrong_answers_count() -> None:
    right = {"when": "output.n: is missing", "chunks": ['{"n": 3}']}
    rig, run = await play(scripted(right, {"chunks": ["{}"]}), output_schema=SCHEMA)
    assert (run.state, await rig.output(run.id)) == (RunState.SUCCEEDED, {"n": 3})
    assert run.usage.requests == 2


async def test_an_agent_whose_model_never_fits_fails_with_a_code_of_its_own() -> None:
    rig, run = await play(scripted({"chunks": ["no"]}), output_schema=SCHEMA)
    assert (run.state, run.error and run.error.code) == (RunState.FAILED, "output_invalid")
    assert (await rig.node(run.id, "main~0")).attempt == 1
