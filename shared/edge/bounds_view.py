"""The most that a run can come to, as the API shows it: of versions, and of runs."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class BoundsView(BaseModel):
    """The most that a run can come to: every node runs, maps and loops as often as they may."""

    model_config = ConfigDict(from_attributes=True)

    nodes: int = Field(description="Of the plan, with what subgraphs, kept agents and fallbacks add.")
    node_runs: int = Field(description="With all items of maps and rounds of loops.")
    requests: int = Field(description="Model requests.")
    tool_calls: int
    cost_usd_micros: int | None = Field(description="Null where a model's price is not known.")
