"""The agents that come with every deployment: everybody runs and clones them, nobody changes them.

They are code, so that they cost no read and need no seeding. A version never changes once it was released: what is to
be different is a new version at the end of its agent's tuple, and runs and sessions keep the one that they began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from shared.domain.agents import Agent, AgentVersion, Proposal, first_agent, next_agent, version_of
from shared.domain.definitions import AgentDefinition
from shared.domain.ids import AgentId, Uid

OWNER = Uid("fireloom")
_BEGAN = datetime(2026, 11, 21, tzinfo=UTC)

_RESEARCH_PROMPT = """You find things out.
Say first what the question is about, in one sentence. Search for sources, read the best of them, and compare what they
say. Answer with what is known, what is disputed and what you could not find, and name the source of every claim."""
_DEVELOPER_PROMPT = """You work on the files of this session's workspace.
Find what concerns the task before you change anything, and read it. Change as little as the task needs, in the manner
of what is there. Say at the end which files you changed and how that can be checked."""
_MAIN_PROMPT = """You help with whatever you are asked.
Answer directly where you can. Ask 'research' where sources are needed, and 'developer' where files of the workspace
are to be searched or changed; give them everything that they must know, for they see nothing else. Put their results
into an answer of your own, and say where each part came from."""

_RESEARCH_TOOLS = ["web_search", "web_fetch", "document_analyzer", "save_artifact", "current_time"]
_DEVELOPER_TOOLS = ["find", "grep", "file_read", "file_edit", "file_write", "diff"]

_RELEASED: Mapping[str, tuple[Mapping[str, Any], ...]] = {
    "main": (
        {
            "name": "main",
            "display_name": "Fireloom",
            "description": "Answers whatever it is asked, with the help of a researcher and a developer.",
            "version": "1.0.0",
            "type": "delegation",
            "scope": "system",
            "model": "default",
            "system_prompt": _MAIN_PROMPT,
            "tools": ["calculator", "current_time"],
            "agents": {
                "research": {
                    "description": "Finds things out on the web and in documents, and names its sources.",
                    "system_prompt": _RESEARCH_PROMPT,
                    "tools": _RESEARCH_TOOLS,
                },
                "developer": {
                    "description": "Searches, reads and changes the files of the workspace.",
                    "system_prompt": _DEVELOPER_PROMPT,
                    "tools": _DEVELOPER_TOOLS,
                },
            },
            "metadata": {"tags": ["assistant"], "category": "general"},
        },
    ),
    "research": (
        {
            "name": "research",
            "display_name": "Research",
            "description": "Finds things out on the web and in documents, and names its sources.",
            "version": "1.0.0",
            "scope": "system",
            "model": "default",
            "system_prompt": _RESEARCH_PROMPT,
            "tools": _RESEARCH_TOOLS,
            "metadata": {"tags": ["research"], "category": "research"},
        },
    ),
    "developer": (
        {
            "name": "developer",
            "display_name": "Developer",
            "description": "Searches, reads and changes the files of the workspace.",
            "version": "1.0.0",
            "scope": "system",
            "model": "default",
            "system_prompt": _DEVELOPER_PROMPT,
            "tools": _DEVELOPER_TOOLS,
            "metadata": {"tags": ["code"], "category": "development"},
        },
    ),
}


def static_agents() -> tuple[Agent, ...]:
    """All of them."""
    return tuple(agent for agent, _ in _released().values())


def static_agent(agent_id: str) -> Agent | None:
    """The static agent of this id, if it is one."""
    found = _released().get(agent_id)
    return found and found[0]


def static_versions(agent_id: str) -> tuple[AgentVersion, ...] | None:
    """The versions of a static agent, the first first; None where the agent is not static."""
    found = _released().get(agent_id)
    return found and found[1]


def static_version(agent_id: str, number: int) -> AgentVersion | None:
    """A version of a static agent; None where there is none."""
    versions = static_versions(agent_id) or ()
    return versions[number - 1] if 0 < number <= len(versions) else None


@cache
def _released() -> Mapping[str, tuple[Agent, tuple[AgentVersion, ...]]]:
    return {name: _release(name, definitions) for name, definitions in _RELEASED.items()}


def _release(name: str, definitions: tuple[Mapping[str, Any], ...]) -> tuple[Agent, tuple[AgentVersion, ...]]:
    agent: Agent | None = None
    versions: list[AgentVersion] = []
    for raw in definitions:
        proposal = Proposal(AgentDefinition.model_validate(raw), raw)
        agent = next_agent(agent, proposal, _BEGAN) if agent else first_agent(AgentId(name), OWNER, proposal, _BEGAN)
        versions.append(version_of(agent, proposal, OWNER))
    assert agent is not None  # noqa: S101 - each has a version
    return replace(agent, type="static"), tuple(versions)
