import subprocess
import sys
from pathlib import Path

import pytest

from scripts.local.staging import NoSuchFunction, function_names, render_entry, stage


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", function_names())
def test_a_stage_holds_one_function_what_it_shares_and_its_lock(name: str, tmp_path: Path) -> None:
    staged = contents(stage(name, tmp_path))

    assert {path.split("/")[1] for path in staged if path.startswith("functions/")} == {name, "__init__.py"}
    assert {path.split("/")[0] for path in staged} == {"functions", "shared", "main.py", "requirements.txt"}
    assert f"\nfrom functions.{name}.main import {name} as {name}\n" in staged["main.py"].decode()


def test_an_entry_collects_no_garbage_while_it_imports_and_seldom_does_afterwards(tmp_path: Path) -> None:
    (tmp_path / "functions" / "own").mkdir(parents=True)
    (tmp_path / "functions" / "own" / "main.py").write_text("import gc\nown = gc.isenabled()\n")
    (tmp_path / "main.py").write_text(render_entry("own"))
    program = "import gc, main; print(main.own, gc.isenabled(), gc.get_freeze_count() > 0, gc.get_threshold()[0])"

    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert printed.stdout.split() == ["False", "True", "True", "10000"]


def test_staging_twice_gives_the_same(tmp_path: Path) -> None:
    first = contents(stage("worker", tmp_path / "first"))
    second = contents(stage("worker", tmp_path / "second"))

    assert first == second
    assert not [path for path in first if "__pycache__" in path]


def test_staging_leaves_nothing_of_an_earlier_stage(tmp_path: Path) -> None:
    (tmp_path / "auth").mkdir()
    (tmp_path / "auth" / "stale.py").touch()

    assert not (stage("auth", tmp_path) / "stale.py").exists()


def test_an_unknown_function_is_refused_with_those_that_exist(tmp_path: Path) -> None:
    with pytest.raises(NoSuchFunction, match="worker"):
        stage("wroker", tmp_path)
