"""The command `scripts/bench`: what it prints and writes, whatever was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripts.local import bench, bench_cold
from scripts.local.bench_cold import Source, Start, cold_starts
from scripts.local.bench_figures import Figure
from scripts.local.processes import NotReady

FIGURES = [
    Figure("cold start, agents", 2.5, "x empty", (2.25, 3.0), mark=3.3),
    Figure("aborted commits", 4, "commits", mark=0),
    Figure("peak memory, agents", 81, "MB"),
]
MEBIBYTE = 1024 * 1024


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, ...]]]:
    """The command, which measures nothing; it tells which parts it was to measure."""

    def run(*arguments: str, fails: Exception | None = None) -> list[tuple[str, ...]]:
        asked: list[tuple[str, ...]] = []

        def measure(parts: tuple[str, ...], *_: Any) -> Iterator[Figure]:
            asked.append(parts)
            yield from FIGURES
            if fails is not None:
                raise fails

        monkeypatch.setattr(bench, "_measure", measure)
        monkeypatch.setattr("sys.argv", ["bench", *arguments])
        bench.main()
        return asked

    return run


def test_one_table_is_printed_and_the_same_is_written_as_json(
    command: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new folder" / "bench.json"
    assert command("--json", str(path)) == [("cold", "words", "graphs", "engine", "agents")]
    printed = capsys.readouterr().out
    assert printed.count("Fireloom on this machine") == 1
    rows = {line.split("│")[1].strip(): line for line in printed.splitlines() if line.startswith("│")}
    shown = {figure.name: rows[figure.name].split("│")[2:-1] for figure in FIGURES}
    assert {name: [cell.strip() for cell in cells] for name, cells in shown.items()} == {
        "cold start, agents": ["2.50", "x empty", "2.25", "3", "≤ 3.30", "ok"],
        "aborted commits": ["4", "commits", "", "", "≤ 0", "over"],
        "peak memory, agents": ["81", "MB", "", "", "", ""],
    }
    written = json.loads(path.read_text("utf-8"))
    assert sorted(written) == ["at", "figures", "load", "machine"]
    assert sorted(written["machine"]) == ["cores", "python", "system"]
    told = [(one["name"], one["value"], one["unit"], one["mark"], one["passes"]) for one in written["figures"]]
    assert told == [(one.name, one.value, one.unit, one.mark, one.passes) for one in FIGURES]


def test_only_the_named_parts_are_measured(command: Callable[..., Any], tmp_path: Path) -> None:
    assert command("cold", "peers", "--json", str(tmp_path / "bench.json")) == [("cold", "peers")]


@pytest.mark.parametrize(
    ("arguments", "fails", "told"),
    [(["warm"], None, "bench: no part warm; there are cold,"), ([], NotReady("it did not start"), "bench: it did not")],
)
def test_what_cannot_be_measured_ends_the_command_with_its_reason_and_writes_nothing(
    command: Callable[..., Any], tmp_path: Path, arguments: list[str], fails: Exception | None, told: str
) -> None:
    path = tmp_path / "bench.json"
    with pytest.raises(SystemExit, match=told):
        command(*arguments, "--json", str(path), fails=fails)
    assert not path.exists()


def test_a_cold_start_is_told_with_its_memory_against_the_empty_functions(monkeypatch: pytest.MonkeyPatch) -> None:
    empty = Source("empty", "empty", Path(), Path(), {}, None)
    agents = replace(empty, label="agents", mark=3.3)
    peaks = iter([40, 100, 40, 80, 50, 110])

    def start(source: Source) -> Start:
        return Start(0.5 if source is empty else 1.25, 0.2, next(measured) * MEBIBYTE)

    measured = iter([1, 1, *peaks])  # the first of each compiles
    monkeypatch.setattr(bench_cold, "_empty", lambda: empty)
    monkeypatch.setattr(bench_cold, "_staged", lambda: iter([agents]))
    monkeypatch.setattr(bench_cold, "_start", start)
    figures = [(figure.name, figure.value, figure.unit) for figure in cold_starts(3)]
    assert figures == [
        ("cold start, empty", 500, "ms"),
        ("peak memory, empty", 40, "MB"),
        ("cold start, agents", 2.5, "x empty"),
        ("cold start by processor time, agents", 1, "x empty"),
        ("peak memory, agents", 100, "MB"),
        ("peak memory as a ratio, agents", 2.2, "x empty"),
    ]
