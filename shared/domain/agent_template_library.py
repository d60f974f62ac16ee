"""The templates that come with every deployment."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_MODEL = {"type": "string", "minLength": 1, "default": "default", "description": "provider:model, or default."}


def _parameters(**properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {**properties, "model": _MODEL}, "additionalProperties": False}


TEMPLATES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "basic": {
            "name": "basic_agent",
            "display_name": "Basic agent",
            "description": "One agent with instructions of your own.",
            "parameters": _parameters(
                instructions={
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 50_000,
                    "default": "Answer briefly and to the point.",
                    "description": "What the agent is told to do.",
                },
                tools={
                    "type": "array",
                    "items": {"type": "string"},
                    "uniqueItems": True,
                    "default": [],
                    "description": "Names of tools, of `GET /tools`.",
                },
            ),
            "model": "${model}",
            "system_prompt": "${instructions}",
            "tools": "${tools}",
        },
        "research": {
            "name": "research_agent",
            "display_name": "Research agent",
            "description": "Searches for sources, reads them, and answers with what they say.",
            "parameters": _parameters(
                field={
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 200,
                    "default": "any field",
                    "description": "What it knows best.",
                },
                sources={
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 20,
                    "default": 5,
                    "description": "How many results a search gives.",
                },
            ),
            "model": "${model}",
            "system_prompt": (
                "You research ${field}.\nSearch for sources, read the best of them, and compare what they say. Answer "
                "with what is known and what is disputed, and name the source of every claim."
            ),
            "tools": [
                {"name": "web_search", "config": {"max_results": "${sources}"}},
                "web_fetch",
                "document_analyzer",
                "save_artifact",
            ],
            "metadata": {"tags": ["research"], "category": "research"},
        },
        "developer": {
            "name": "developer_agent",
            "display_name": "Developer agent",
            "description": "Works on the files of a session's workspace.",
            "parameters": _parameters(
                language={
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 100,
                    "default": "the language of the files",
                    "description": "What it writes in.",
                },
                rules={
                    "type": "string",
                    "maxLength": 20_000,
                    "default": "Change as little as the task needs.",
                    "description": "How it is to work.",
                },
            ),
            "model": "${model}",
            "system_prompt": (
                "You write ${language}, on the files of this session's workspace.\n${rules}\nFind and read what "
                "concerns the task before you change anything. Say at the end which files you changed."
            ),
            "tools": ["find", "grep", "file_read", "file_edit", "file_write", "diff"],
            "metadata": {"tags": ["code"], "category": "development"},
        },
        "custom_workflow": {
            "name": "custom_workflow",
            "display_name": "Custom workflow",
            "description": "A graph: finds files, has an agent look at each at the same time, writes down the results.",
            "parameters": _parameters(
                files={
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 200,
                    "default": "**/*.md",
                    "description": "Which files, as a glob pattern.",
                },
                task={
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 20_000,
                    "default": "Summarize the file in three sentences.",
                    "description": "What is to be done with each.",
                },
                report={
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 200,
                    "default": "report.md",
                    "description": "The file that the results go into.",
                },
            ),
            "type": "graph",
            "model": "${model}",
            "tools": ["file_read"],
            "graph": {
                "nodes": {
                    "files": {"kind": "tool", "tool": "find", "arguments": {"glob": "${files}"}},
                    "each": {
                        "kind": "map",
                        "over": "{{ files.output.paths }}",
                        "body": {"kind": "agent", "prompt": "${task}\n\nThe file: {{ item }}\n{{ input.text }}"},
                    },
                    "all": {"kind": "join", "after": ["each"], "reducer": "text"},
                    "write": {
                        "kind": "tool",
                        "tool": "file_write",
                        "arguments": {"path": "${report}", "content": "{{ all.output }}"},
                    },
                }
            },
            "metadata": {"tags": ["workflow"], "category": "workflow"},
        },
    }
)
"""By name; each is a definition with `parameters`."""
