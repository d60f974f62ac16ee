"""Runs one turn of an agent: with the model of the definition, or one of those that answer in its place."""

from __future__ import annotations

from collections.abc import Sequence

from shared.adapters.pydantic_ai.callbacks import Callbacks
from shared.adapters.pydantic_ai.connections import closing_responses
from shared.adapters.pydantic_ai.failures import domain_error, none_left
from shared.adapters.pydantic_ai.files import with_files
from shared.adapters.pydantic_ai.messages import parse_recorded, render_exchange
from shared.adapters.pydantic_ai.models import Models
from shared.adapters.pydantic_ai.turn_run import TurnRun
from shared.domain.errors import ModelUnavailable
from shared.domain.model_specs import ModelSpec
from shared.ports.agent_runner import AgentResult, AgentTurn, StepSink, ToolCaller


class PydanticAiRunner:
    """`AgentRunner` by Pydantic AI."""

    def __init__(self, models: Models) -> None:
        """Ask `models`."""
        self._models = models

    async def run(self, turn: AgentTurn, sink: StepSink, tools: ToolCaller) -> AgentResult:
        """As `AgentRunner.run`."""
        callbacks = Callbacks(sink, tools)
        run = TurnRun(turn, await with_files(parse_recorded(turn.recorded), callbacks), callbacks)
        if (answer := run.recorded_answer()) is not None:
            return answer
        chain = self._models.choose(turn.agent)
        down: list[ModelUnavailable] = []
        for spec in chain:
            # A model that took over answers the rest of this attempt; the next attempt begins with the first again.
            try:
                return await self._play(run, spec, turn.attempt, callbacks)
            except ModelUnavailable as error:
                if callbacks.raised is not None:
                    raise
                down.append(error)
        raise none_left(down)

    async def _play(self, run: TurnRun, spec: ModelSpec, attempt: int, callbacks: Callbacks) -> AgentResult:
        """Go on with one model; whatever goes wrong with it comes out as a domain error."""
        try:
            model = await self._models.get(spec, attempt)
            async with closing_responses():
                return await run.play(spec, model)
        except BaseException as error:
            if callbacks.raised is not None:
                raise callbacks.raised from None
            if (known := domain_error(error, spec.full_name)) is not None:
                raise known from error
            raise

    def history(self, prompt: str, output: str) -> Sequence[str]:
        """As `AgentRunner.history`."""
        return render_exchange(prompt, output)
