"""Secrets in encrypted files: what a thief of the folder learns, and who may enter it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from shared.adapters.secret_files.store import FileSecretStore, make_key
from shared.domain.errors import Internal, Unavailable
from shared.domain.secrets import EntryId, SecretText
from tests.support.port_contracts.secret_store import SecretStoreContract

CANARY = SecretText("canary-in-a-file")
ENTRY = EntryId("entry1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


@pytest.fixture
def store(folder: Path) -> FileSecretStore:
    return FileSecretStore(folder, make_key())


@pytest.fixture
def a_file(folder: Path) -> Path:
    folder.write_text("not a folder")
    return folder


def files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.iterdir())]


def modes(folder: Path) -> tuple[int, set[int]]:
    return stat.S_IMODE(folder.stat().st_mode), {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


class TestFiles(SecretStoreContract):
    """In encrypted files."""


async def test_the_files_do_not_hold_the_value_and_equal_values_do_not_look_equal(
    store: FileSecretStore, folder: Path
) -> None:
    await store.write(ENTRY, CANARY)
    await store.write(EntryId("entry2"), CANARY)
    contents = files(folder)
    assert len(set(contents)) == len(contents) == 2
    assert not any(CANARY.reveal().encode() in content for content in contents)


async def test_only_the_user_may_enter(store: FileSecretStore, folder: Path) -> None:
    await store.write(ENTRY, CANARY)
    assert modes(folder) == (0o700, {0o600})


async def test_another_key_opens_nothing(store: FileSecretStore, folder: Path) -> None:
    await store.write(ENTRY, CANARY)
    with pytest.raises(Internal):
        await FileSecretStore(folder, make_key()).read(ENTRY)


async def test_a_changed_or_exchanged_file_is_not_read(store: FileSecretStore, folder: Path) -> None:
    await store.write(ENTRY, CANARY)
    (folder / "entry2").write_bytes((folder / ENTRY).read_bytes())
    (folder / "entry3").write_bytes((folder / ENTRY).read_bytes()[:-1])
    (folder / "entry4").write_bytes(b"")
    for entry in ("entry2", "entry3", "entry4"):
        with pytest.raises(Internal) as refused:
            await store.read(EntryId(entry))
        assert CANARY.reveal() not in str(refused.value)


async def test_an_id_is_no_path(store: FileSecretStore) -> None:
    for entry in ("../outside", "a/b", "", "."):
        with pytest.raises(Internal):
            await store.write(EntryId(entry), CANARY)


@pytest.mark.parametrize("key", ["", "short", "not base64 at all!", "ä" * 44, make_key()[:-4]])
def test_a_key_of_another_form_is_refused_without_showing_it(folder: Path, key: str) -> None:
    with pytest.raises(ValueError, match="32 bytes in base64url") as refused:
        FileSecretStore(folder, key)
    assert not key or key not in str(refused.value)


async def test_a_folder_that_cannot_be_used_is_told(a_file: Path) -> None:
    store = FileSecretStore(a_file, make_key())
    for asking in (store.write(ENTRY, CANARY), store.read(ENTRY), store.delete(ENTRY)):
        with pytest.raises(Unavailable):
            await asking
