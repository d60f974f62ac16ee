"""Where in the text that was sent a fault stands: the line and column of its key or item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from shared.domain.errors import Fault
from shared.edge.definition_body import yaml_library

Place: TypeAlias = tuple[int, int]


def place_faults(body: bytes, faults: Iterable[Fault]) -> tuple[Fault, ...]:
    """The faults with their line and column; what is missing stands where that begins which lacks it.

    JSON is read as the YAML that it is; the few texts that are only JSON leave their faults without a place.
    """
    faults = tuple(faults)
    if not faults:
        return ()
    places = _read_places(body)
    return tuple(_placed(fault, places) for fault in faults)


def _placed(fault: Fault, places: Mapping[str, Place]) -> Fault:
    path = fault.path
    while path not in places:
        if not path:
            return fault
        path = path.rpartition(".")[0]
    line, column = places[path]
    return replace(fault, line=line, column=column)


def _read_places(body: bytes) -> Mapping[str, Place]:
    yaml, loader = yaml_library()
    reader = _Reader(yaml)
    try:
        for event in yaml.parse(body.decode("utf-8-sig"), Loader=loader):
            reader.take(event)
    except (yaml.YAMLError, UnicodeDecodeError):
        return {}
    return reader.places


class _Reader:
    """Notes where each key and item begins, by its path, in a stream of YAML's events."""

    def __init__(self, yaml: Any) -> None:
        self._yaml = yaml
        self.places: dict[str, Place] = {}
        self._open: list[_Open] = []

    def take(self, event: Any) -> None:
        """Note what one event begins."""
        yaml = self._yaml
        if isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._open.pop()
        if not isinstance(event, yaml.NodeEvent):
            return
        place = (event.start_mark.line + 1, event.start_mark.column + 1)
        container = self._open[-1] if self._open else None
        if container is not None and container.key is None and not container.is_list:
            container.key = str(getattr(event, "value", ""))
            self.places.setdefault(_below(container.path, container.key), place)
            return
        path = self._path(container, place)
        if isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._open.append(_Open(path, is_list=isinstance(event, yaml.SequenceStartEvent)))

    def _path(self, container: _Open | None, place: Place) -> str:
        """The path of the value that begins."""
        if container is None:
            self.places[""] = place
            return ""
        if container.is_list:
            path = _below(container.path, str(container.length))
            container.length += 1
            self.places.setdefault(path, place)
            return path
        path = _below(container.path, container.key or "")
        container.key = None
        return path


class _Open:
    """A map or list whose end has not come yet."""

    def __init__(self, path: str, *, is_list: bool) -> None:
        self.path = path
        self.is_list = is_list
        self.length = 0
        self.key: str | None = None


def _below(path: str, step: str) -> str:
    return f"{path}.{step}" if path else step
