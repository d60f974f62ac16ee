"""What comes with every deployment: good definitions, and versions that never change."""

from __future__ import annotations

import json

import pytest

from shared.domain.agent_statics import static_agent, static_agents, static_version, static_versions
from shared.domain.agent_template_library import TEMPLATES
from shared.domain.agent_templates import fill_template
from shared.domain.definition_faults import inspect_definition
from shared.domain.definition_warnings import warnings_of
from shared.domain.planning import compile_plan

RELEASED = {
    "main/1": "6db316abb58a13b2c40b67f6aaf8d76a66e317ab3bdd2139cc416f879d217b01",
    "research/1": "9c06f64bd79d97e24e2d0a9a205fa9161bed15f6225feb7a62e8b1b97a678327",
    "developer/1": "cc16044403f0a84cfd1714d02bb1da99c94b462be70a8fad12484df4deda9f40",
}
"""The digests of the versions as they were released: add to them, and change none."""


def test_a_released_version_never_changes() -> None:
    found = {
        f"{agent.id}/{version.number}": version.digest
        for agent in static_agents()
        for version in static_versions(agent.id) or ()
    }
    assert found == RELEASED


@pytest.mark.parametrize("name", ["main", "research", "developer"])
def test_a_static_agent_is_a_good_one(name: str) -> None:
    agent = static_agent(name)
    assert agent is not None
    version = static_version(name, agent.head)
    assert version is not None
    raw = json.loads(version.definition_json)
    definition, faults = inspect_definition(raw)
    assert (faults, warnings_of(raw)) == ((), ())
    assert definition is not None
    assert compile_plan(definition).nodes
    assert (agent.id, agent.name, agent.type, agent.scope) == (name, name, "static", "system")


def test_what_is_not_static_is_not_found() -> None:
    assert (static_agent("other"), static_versions("other")) == (None, None)
    assert [static_version("main", number) for number in (0, -1, 99)] == [None, None, None]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_makes_a_good_agent_of_its_defaults(name: str) -> None:
    template = TEMPLATES[name]
    definition, faults = inspect_definition(template)
    assert faults == ()
    assert definition is not None
    raw = fill_template(template, {"model": "local:extractive"})
    made, faults = inspect_definition(raw)
    assert (faults, warnings_of(raw)) == ((), ())
    assert made is not None
    assert compile_plan(made).nodes
    assert all(part.get("description") for part in template["parameters"]["properties"].values())
