"""The web search that a provider does itself, in place of the tool of that name."""

from __future__ import annotations

from pydantic_ai.models import Model
from pydantic_ai.native_tools import WebSearchTool

from shared.ports.agent_runner import AgentTurn

WEB_SEARCH = "web_search"


def searches_itself(model: Model, turn: AgentTurn) -> bool:
    """Whether the model's provider does the searching of this turn.

    Not where the definition wants the deployment's engine, or a person's yes before each search, which no provider
    asks for; nor where the model takes no other tool, and no schema of its answer, beside its own search, as Gemini
    before 3.
    """
    uses = [use for use in turn.agent.tools if use.name == WEB_SEARCH]
    if not uses or any(use.requires_approval or use.config.get("engine") == "deployment" for use in uses):
        return False
    if WebSearchTool not in model.profile.get("supported_native_tools", ()):
        return False
    is_alone = len(turn.tools) == 1 and turn.agent.output_schema is None
    return is_alone or bool(model.profile.get("google_supports_tool_combination", True))  # other providers do not ask
