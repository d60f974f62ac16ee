"""What must stay true of the tree, and no other tool checks."""

import ast
import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from scripts.local.emulators import EmulatorPorts
from scripts.local.staging import function_names
from shared.edge.routes import ROUTES, UNROUTED, find_deployable

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("shared", "functions", "scripts")
LOCKS = (
    "requirements-dev.txt",
    "requirements-java.txt",
    *(f"functions/{name}/requirements.txt" for name in function_names()),
)
LONGEST_FILE, LONGEST_TEST, LONGEST_FUNCTION = 400, 600, 50
FUNCTIONS = function_names()
SKIPPING = {"skip", "skipif", "importorskip", "xfail", "skipIf", "skipUnless", "SkipTest", "expectedFailure"}


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def function_lengths(path: Path) -> Iterator[tuple[str, int]]:
    """Each function with its number of lines, its docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node, clean=False) is not None
            docstring = node.body[0] if documented else None
            length = (docstring.end_lineno or 0) - docstring.lineno + 1 if docstring else 0
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - length


@pytest.mark.parametrize(("folders", "longest"), [(PACKAGES, LONGEST_FILE), (("tests",), LONGEST_TEST)])
def test_no_file_is_too_long(folders: tuple[str, ...], longest: int) -> None:
    lengths = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in sources(*folders)}

    assert {path: length for path, length in lengths.items() if length > longest} == {}


def test_no_function_is_too_long() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{name}": length
        for path in sources(*PACKAGES)
        for name, length in function_lengths(path)
        if length > LONGEST_FUNCTION
    }

    assert found == {}


def test_most_functions_are_short() -> None:
    lengths = sorted(length for path in sources(*PACKAGES) for _, length in function_lengths(path))

    assert lengths[len(lengths) * 9 // 10] <= 33, "nine of ten functions"


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry(lock: str) -> None:
    text = (ROOT / lock).read_text()

    assert re.findall(r"\w+://|--(?:extra-)?index-url|--find-links|@ file", text) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_pins_each_package_by_hash(lock: str) -> None:
    text = (ROOT / lock).read_text()
    requirements = re.split(r"\n(?=[a-z])", re.sub(r"(?m)^\s*#.*\n", "", text))

    assert [entry for entry in requirements if entry.strip() and "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_brings_a_package_that_shadows_ours(lock: str) -> None:
    names = {name.lower() for name in re.findall(r"(?m)^([A-Za-z0-9._-]+)==", (ROOT / lock).read_text())}

    assert names & {"shared", "functions", "scripts", "tests"} == set()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_versions_of_a_function_are_those_of_development(name: str) -> None:
    pins = [
        set(re.findall(r"(?m)^\S+==\S+", (ROOT / lock).read_text()))
        for lock in (f"functions/{name}/requirements.txt", "requirements-dev.txt")
    ]

    assert pins[0] - pins[1] == set()


def test_the_npm_lock_names_no_registry() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]

    assert [name for name, package in packages.items() if "resolved" in package] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_dependency_group(name: str) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]

    assert name in groups
    assert {"include-group": name} in groups["dev"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_routed_or_kept_from_outside(name: str) -> None:
    assert (name in {row.deployable for row in ROUTES}) != (name in UNROUTED)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_row_in_the_readme(name: str) -> None:
    assert f"| `{name}` |" in (ROOT / "README.md").read_text()


def test_the_readmes_tree_has_every_part_of_what_is_shared() -> None:
    parts = {f"shared/{path.name}" for path in (ROOT / "shared").glob("[a-z]*")}

    assert parts - set(re.findall(r"(?m)^\| `(shared/[\w.]+)` \|", (ROOT / "README.md").read_text())) == set()


def test_each_file_that_the_readme_links_to_exists() -> None:
    links: list[str] = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text())

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_emulators_ports_are_those_of_firebases_own_file() -> None:
    emulators = json.loads((ROOT / "firebase.json").read_text())["emulators"]

    assert {name: emulator["port"] for name, emulator in emulators.items()} == asdict(EmulatorPorts())


def test_each_route_leads_to_a_function() -> None:
    assert {row.deployable for row in ROUTES} - set(FUNCTIONS) == set()


@pytest.mark.parametrize(
    ("path", "deployable"),
    [
        ("/auth/register", "auth"),
        ("/auth", "auth"),
        ("/users/me", "auth"),
        ("/users/u1/deactivate", "auth"),
        ("/users/u1/agents", "agents"),
        ("/agents", "agents"),
        ("/agents/a1/versions/2", "agents"),
        ("/agents/a1/execute", "runs"),
        ("/knowledge/c1/documents/d1/refresh", "agents"),
        ("/runs/r1/cancel", "runs"),
        ("/sessions/s1/messages", "chat"),
        ("/sessions/s1/events", "chat"),
        ("/sessions/s1/history", "runs"),
        ("/sessions", "runs"),
        ("/tasks/node", None),
        ("/hooks/before_create", None),
        ("/health", None),
        ("/agentsmith", None),
    ],
)
def test_a_path_belongs_to_one_deployable(path: str, deployable: str | None) -> None:
    assert find_deployable(path) == deployable


def test_every_ignored_rule_says_why() -> None:
    settings = (ROOT / "pyproject.toml").read_text()
    ignores = re.search(r"(?s)\nignore = \[\n(.*?)\n\]", settings)
    assert ignores is not None

    assert [line for line in ignores.group(1).splitlines() if "#" not in line] == []


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("[a-z]*")), ids=lambda path: path.name)
def test_a_command_can_be_run_and_says_what_it_is_for(path: Path) -> None:
    if path.is_file() and not path.suffix:
        assert path.stat().st_mode & 0o111
        assert re.match(r"#!/usr/bin/env bash\n# [A-Z]", path.read_text())


def test_no_test_is_skipped() -> None:
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in sources("tests")}
    trees = {path: ast.parse(text) for path, text in texts.items() if any(word in text for word in SKIPPING)}
    used = {path: {name for node in ast.walk(tree) for name in names_of(node)} for path, tree in trees.items()}

    assert len(texts) > 100
    assert {path: names & SKIPPING for path, names in used.items() if names & SKIPPING} == {}


def names_of(node: ast.AST) -> Iterator[str]:
    """What a piece of code names: an attribute, a name, or what it imports."""
    if isinstance(node, ast.Attribute):
        yield node.attr
    elif isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.name for alias in node.names)


def test_no_test_of_the_web_is_skipped() -> None:
    tests = {path.name: path.read_text() for path in (ROOT / "tests" / "web").glob("*.mjs")}

    assert tests
    assert [name for name, text in tests.items() if re.search(r"\.(skip|todo|only)\b|\b(skip|todo|only):", text)] == []


def test_the_first_users_definition_is_kept_byte_for_byte() -> None:
    definition = (ROOT / "tests" / "data" / "research-agent.yaml").read_bytes()

    digest = "4808daf163c55d134454aa3c9348271de1641d8127844491ce21cbdf79e698f0"
    assert hashlib.sha256(definition).hexdigest() == digest
