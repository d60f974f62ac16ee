"""An agent with all that it needs as one file: a zip archive, written the same wherever it is written.

    agent.yaml                   the definition
    agents/{name}.yaml           an agent that it refers to, as {id: {name}}
    knowledge/{name}.yaml        a collection's description, and the media types of its documents
    knowledge/{name}/{document}  a document, as it was brought

What is read is believed nothing: not its size, not its names, not that it is an archive.
"""

from __future__ import annotations

import io
import stat
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn, cast

from shared.domain.agent_bundles import (
    MAX_AGENTS,
    MAX_BUNDLE_BYTES,
    MAX_COLLECTIONS,
    MAX_DOCUMENTS,
    Bundle,
    BundledCollection,
    BundledDocument,
)
from shared.domain.artifact_names import artifact_name
from shared.domain.definition_faults import MAX_FAULTS, inspect_definition
from shared.domain.errors import Fault, InvalidArgument, TooLarge
from shared.domain.knowledge import MAX_DOCUMENT_BYTES, check_content, collection_faults
from shared.domain.media_types import media_type_fault
from shared.edge.definition_body import parse_body
from shared.edge.definition_places import place_faults
from shared.edge.definition_text import write_yaml

MEDIA_TYPE = "application/zip"
MEDIA_TYPES = (MEDIA_TYPE, "application/x-zip-compressed")
MAX_ARCHIVE_BYTES = 26 << 20
"""Somewhat more than what it may hold, for names and directory."""
MAX_TEXT_BYTES = 1 << 20
MAX_TEXTS_BYTES = 4 << 20
"""Of all definitions and descriptions: parsing them takes longer than unpacking."""

_ROOT = "agent.yaml"
_YAML = "application/yaml"
_MAX_ENTRIES = MAX_DOCUMENTS + MAX_AGENTS + MAX_COLLECTIONS + 100
_DIRECTORY_BYTES = 1 << 20
_END = b"PK\x05\x06"
_END_BYTES = 22
_LOCATOR_64 = b"PK\x06\x07"
_LOCATOR_BYTES = 20
_LONG_AGO = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644 << 16


def write_archive(bundle: Bundle) -> bytes:
    """The archive: the same bundle always gives the same bytes, since nothing in it is packed or dated."""
    import zipfile  # noqa: PLC0415 - only this route needs it

    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in sorted(_files(bundle)):
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.external_attr = _READABLE
            entry.create_system = 3
            archive.writestr(entry, content)
    return target.getvalue()


def _files(bundle: Bundle) -> Iterator[tuple[str, bytes]]:
    yield _ROOT, write_yaml(dict(bundle.agent)).encode()
    for name, raw in bundle.agents.items():
        yield f"agents/{name}.yaml", write_yaml(dict(raw)).encode()
    for name, collection in bundle.knowledge.items():
        media_types = {one.name: one.mime_type for one in sorted(collection.documents, key=lambda one: one.name)}
        about = {"description": collection.description, "media_types": media_types}
        yield f"knowledge/{name}.yaml", write_yaml(about).encode()
        for document in collection.documents:
            yield f"knowledge/{name}/{document.name}", document.content


def read_archive(body: bytes) -> Bundle:
    """What an archive holds, each definition checked.

    Raises:
        InvalidArgument: it is no archive of an agent; with everything that is wrong with it, each fault with its file.
        TooLarge: it holds more than is taken.
    """
    reading = _Reading(_entries(body))
    bundle = reading.bundle()
    if reading.faults:
        count = len(reading.faults)
        told = (*reading.faults[:MAX_FAULTS], *([Fault("", "and more")] if count > MAX_FAULTS else []))
        raise InvalidArgument(f"The archive has {count} faults." if count > 1 else "The archive has one fault.", told)
    return bundle


def _entries(body: bytes) -> dict[str, bytes]:
    """The files of an archive, by name.

    Raises:
        InvalidArgument, TooLarge: as `read_archive`.
    """
    import zipfile  # noqa: PLC0415 - only this route needs it

    _check_end(body)
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _check_entries(entries)
            return {entry.filename: archive.read(entry) for entry in entries}
    except (InvalidArgument, TooLarge):
        raise
    except Exception as error:  # noqa: BLE001 - a broken archive provokes whatever zipfile and zlib happen to raise
        _refuse(f"cannot be read: it is no zip archive, or a broken one ({type(error).__name__})")


def _check_end(body: bytes) -> None:
    """Look at the size of the directory before anything reads it: each of its entries costs memory."""
    end = body[-_END_BYTES:]
    if len(end) < _END_BYTES or not end.startswith(_END) or not end.endswith(b"\0\0"):
        _refuse("is no zip archive, is cut off, or ends with a comment")
    is_64 = body[-_END_BYTES - _LOCATOR_BYTES :].startswith(_LOCATOR_64)
    if is_64 or int.from_bytes(end[12:16], "little") > _DIRECTORY_BYTES:
        _refuse(f"has more than {_MAX_ENTRIES} files, or too long names")


def _check_entries(entries: list[Any]) -> None:
    """Refuse what is not just files, each once, that unpack to what is taken."""
    if len(entries) > _MAX_ENTRIES:
        _refuse(f"has more than {_MAX_ENTRIES} files")
    if (unpacked := sum(entry.file_size for entry in entries)) > MAX_BUNDLE_BYTES:
        raise TooLarge(f"Unpacked the archive has {unpacked:,} bytes; {MAX_BUNDLE_BYTES:,} are the most.")
    faults: list[Fault] = []
    seen: set[str] = set()
    for entry in entries:
        if reason := _entry_fault(entry, seen):
            faults.append(Fault(ascii(entry.orig_filename[:100]).strip("'"), reason))
        seen.add(entry.filename)
    if faults:
        raise InvalidArgument("The archive is refused.", tuple(faults[:MAX_FAULTS]))


def _entry_fault(entry: Any, seen: set[str]) -> str | None:
    mode = entry.external_attr >> 16
    if entry.orig_filename != entry.filename:
        return "is not the name of a file"
    if entry.filename in seen:
        return "is there twice"
    if entry.flag_bits & 0x1:
        return "is encrypted"
    if entry.compress_type not in {0, 8}:
        return "is packed in a way that is not understood; use 'deflate', or none"
    if stat.S_IFMT(mode) not in {0, stat.S_IFREG}:
        return "is no file, but a link or something else"
    return None


class _Reading:
    """Makes a bundle of files, and notes what is wrong with them."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.faults: list[Fault] = []
        self._files = files
        self._agents: dict[str, Any] = {}
        self._about: dict[str, dict[str, Any]] = {}
        self._documents: dict[str, dict[str, bytes]] = {}

    def bundle(self) -> Bundle:
        """What the files say; incomplete where there are faults.

        Raises:
            TooLarge: there is more text than is parsed.
        """
        texts = sum(len(content) for name, content in self._files.items() if _is_text(name))
        if texts > MAX_TEXTS_BYTES:
            raise TooLarge(f"Its definitions have {texts:,} bytes together; {MAX_TEXTS_BYTES:,} are the most.")
        for name in sorted(self._files):
            self._take(name)
        if _ROOT not in self._files:
            self._fault(_ROOT, "is missing")
        for what, found, most in (
            ("agents", self._agents, MAX_AGENTS + 1),
            ("knowledge", self._collection_names, MAX_COLLECTIONS),
        ):
            if len(found) > most:
                self._fault(what, f"has {len(found)} entries; {most} are the most")
        knowledge = {name: self._collection(name) for name in self._collection_names}
        root = self._agents.pop(_ROOT, {})
        return Bundle(root, self._agents, knowledge)

    @property
    def _collection_names(self) -> list[str]:
        return sorted({*self._about, *self._documents})

    def _take(self, name: str) -> None:
        folder, _, rest = name.partition("/")
        stem = rest.removesuffix(".yaml")
        if name == _ROOT:
            self._agents[_ROOT] = self._definition(name, None)
        elif folder == "agents" and rest.endswith(".yaml") and "/" not in rest:
            self._agents[stem] = self._definition(name, stem)
        elif folder == "knowledge" and rest.endswith(".yaml") and "/" not in rest:
            self._about[stem] = self._yaml(name)
        elif folder == "knowledge" and "/" in rest:
            self._document(name, *rest.split("/", 1))
        else:
            self._fault(name, "is not expected: an archive has agent.yaml, agents/NAME.yaml, knowledge/NAME/DOCUMENT")

    def _definition(self, file: str, name: str | None) -> Mapping[str, Any]:
        raw = self._yaml(file)
        definition, faults = inspect_definition(raw)
        self.faults += [_in_file(file, fault) for fault in place_faults(self._files[file], faults)]
        if definition is not None and name is not None and definition.name != name:
            self._fault(f"{file}: name", "must be what the file is called", name)
        return raw

    def _yaml(self, file: str) -> dict[str, Any]:
        content = self._files[file]
        if len(content) > MAX_TEXT_BYTES:
            self._fault(file, f"has {len(content):,} bytes; {MAX_TEXT_BYTES:,} are the most")
            return {}
        try:
            raw = parse_body(content, _YAML)
        except InvalidArgument as error:
            self.faults += [_in_file(file, fault) for fault in error.faults]
            return {}
        if not isinstance(raw, dict):
            self._fault(file, "must be a map of names to values")
            return {}
        return cast("dict[str, Any]", raw)

    def _document(self, file: str, collection: str, path: str) -> None:
        documents = self._documents.setdefault(collection, {})
        content = self._files[file]
        try:
            name = artifact_name(path)
            check_content(content, None)
        except InvalidArgument as error:
            self.faults += [Fault(_shown(file), fault.reason) for fault in error.faults]
            return
        if name in documents:
            self._fault(file, "is there twice")
        documents[name] = content

    def _collection(self, name: str) -> BundledCollection:
        about = self._about.get(name, {})
        documents = self._documents.get(name, {})
        file = f"knowledge/{name}.yaml"
        description, media_types = about.get("description", ""), about.get("media_types", {})
        for key in sorted(about.keys() - {"description", "media_types"}):
            self._fault(f"{file}: {key}", "is not a known key here")
        if not isinstance(description, str):
            self._fault(f"{file}: description", "must be text")
            description = ""
        self.faults += [_in_file(file, fault) for fault in collection_faults(name, description)]
        types = self._media_types(file, media_types, documents)
        bundled = (BundledDocument(one, content, types.get(one)) for one, content in documents.items())
        return BundledCollection(description, tuple(bundled))

    def _media_types(self, file: str, media_types: Any, documents: Mapping[str, bytes]) -> dict[str, str]:
        if not isinstance(media_types, dict):
            self._fault(f"{file}: media_types", "must be a map of documents to media types")
            return {}
        found: dict[str, str] = {}
        for name, media_type in cast("dict[str, Any]", media_types).items():
            if name not in documents:
                self._fault(f"{file}: media_types", f"names {_shown(name)}, which is not in the archive")
            elif media_type_fault(media_type):
                self._fault(f"{file}: media_types", f"has no media type for {_shown(name)}")
            else:
                found[name] = media_type
        return found

    def _fault(self, path: str, reason: str, suggestion: str | None = None) -> None:
        self.faults.append(Fault(_shown(path), reason, suggestion))


assert MAX_DOCUMENT_BYTES < MAX_BUNDLE_BYTES  # noqa: S101 - or no archive could hold every document


def _is_text(name: str) -> bool:
    """Whether the file is a definition or a description, and not a document."""
    return name == _ROOT or (name.count("/") == 1 and name.endswith(".yaml"))


def _in_file(file: str, fault: Fault) -> Fault:
    path = f"{_shown(file)}: {fault.path}" if fault.path else _shown(file)
    return Fault(path, fault.reason, fault.suggestion, fault.line, fault.column)


def _shown(name: str) -> str:
    """A name in ASCII, so that what makes it unsafe does no harm in an answer."""
    return ascii(name[:200])[1:-1]


def _refuse(reason: str) -> NoReturn:
    raise InvalidArgument(f"The archive {reason}.", (Fault("", reason),))
