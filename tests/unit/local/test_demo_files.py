"""Which files of a folder the demo reviews."""

import subprocess
import sys
from pathlib import Path

import pytest

from scripts.local.demo import main, parser
from scripts.local.demo_files import TextFile, choose_files
from scripts.local.paths import ROOT


def tracked(folder: Path, files: dict[str, bytes]) -> Path:
    """The folder with these files, all of them tracked by git."""
    write(folder, files)
    subprocess.run(["git", "init", "-q", folder], check=True)
    subprocess.run(["git", "-C", folder, "add", "."], check=True)
    return folder


def write(folder: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def chosen(folder: Path) -> list[str]:
    files, _ = choose_files(folder)
    return [file.path for file in files]


@pytest.mark.parametrize(("size", "is_chosen"), [(0, False), (1, True), (65_536, True), (65_537, False)])
def test_a_file_has_something_to_read_and_at_most_64_kib(size: int, *, is_chosen: bool, tmp_path: Path) -> None:
    folder = tracked(tmp_path, {"a.txt": b"x" * size})

    assert chosen(folder) == (["a.txt"] if is_chosen else [])


@pytest.mark.parametrize(
    "content", [b"text\0", b"\xff\xfe", b"\x89PNG\0\0"], ids=["with NUL", "not UTF-8", "a picture"]
)
def test_what_is_not_text_is_left_out(content: bytes, tmp_path: Path) -> None:
    folder = tracked(tmp_path, {"binary.txt": content, "grüße.txt": "schön".encode()})

    assert chosen(folder) == ["grüße.txt"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.txt").write_text("secret")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link.txt").symlink_to(tmp_path / "outside.txt")

    assert chosen(tracked(tmp_path / "folder", {"own.txt": b"own"})) == ["own.txt"]


def test_what_git_does_not_track_is_left_out_and_what_is_gone_too(tmp_path: Path) -> None:
    folder = tracked(tmp_path, {"kept.txt": b"kept", "gone.txt": b"gone"})
    write(folder, {"new.txt": b"new"})
    (folder / "gone.txt").unlink()

    assert chosen(folder) == ["kept.txt"]


def test_without_git_every_file_counts_that_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    write(tmp_path, {"a.txt": b"a", "b/c.txt": b"c", ".env": b"secret", ".cache/d.txt": b"d", "b/.e": b"e"})

    assert chosen(tmp_path) == ["a.txt", "b/c.txt"]


def test_a_folder_within_a_repository_is_reviewed_alone(tmp_path: Path) -> None:
    folder = tracked(tmp_path, {"top.txt": b"top", "part/own.txt": b"own"})

    assert choose_files(folder / "part") == ([TextFile("own.txt", b"own")], 0)


def test_at_most_40_files_are_taken_the_least_deep_first(tmp_path: Path) -> None:
    files = {f"deep/{number:02}.txt": b"deep" for number in range(40)}
    folder = tracked(tmp_path, {**files, "z.txt": b"top"})

    taken, more = choose_files(folder, parser().parse_args([]).limit)

    assert [file.path for file in taken] == ["z.txt", *sorted(files)[:39]]
    assert more == 1


@pytest.mark.parametrize(("limit", "left"), [(1, 2), (3, 0), (9, 0)])
def test_the_limit_says_how_many_and_what_it_leaves_is_counted(limit: int, left: int, tmp_path: Path) -> None:
    folder = tracked(tmp_path, {"a.txt": b"a", "b.txt": b"b", "c.txt": b"c"})

    taken, more = choose_files(folder, parser().parse_args(["--limit", str(limit)]).limit)

    assert (len(taken), more) == (3 - left, left)


def test_this_repository_is_reviewed_unless_another_folder_is_named(tmp_path: Path) -> None:
    assert (parser().parse_args([]).folder, parser().parse_args([str(tmp_path)]).folder) == (ROOT, tmp_path)


@pytest.mark.parametrize("arguments", [["--limit", "0"], ["--limit", "many"], ["nowhere"]])
def test_arguments_that_mean_nothing_are_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(arguments)

    assert arguments[-1] in capsys.readouterr().err


def test_a_folder_with_nothing_to_review_is_named_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tracked(tmp_path, {"picture.png": b"\x89PNG\0\0"})
    monkeypatch.setattr(sys, "argv", ["demo", str(folder)])
    monkeypatch.setenv("COLUMNS", "400")

    with pytest.raises(SystemExit, match="1"):
        main()

    assert f"demo: {folder} has no text file of at most 64 KiB to review" in capsys.readouterr().err
