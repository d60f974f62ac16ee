"""Which index production demands for a query: the emulator answers every query without one.

Source: https://firebase.google.com/docs/firestore/query-data/index-overview

- Single-field indexes are automatic. They serve equalities on any number of fields (their indexes are merged), one
  `array-contains` alone, and ranges and orders on one field alone.
- Everything else needs a composite index: the fields of equalities and `array-contains` in any order, then the sort
  keys in the query's order and with its directions. Composite indexes can be merged too; that is not relied upon here.
- A field that is exempt has no single-field index; composite ones may still contain it.
- A field with a range sorts the results. The id is the last key of every index, in the direction of the key before it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from shared.ports.documents import Query
from shared.ports.query_limits import effective_orders

ID = "__name__"


@dataclass(frozen=True, slots=True)
class Shape:
    """What of a query decides on its index.

    Args:
        group: the collection's id, which all collections of that name share.
        equal: fields that must equal a value, or one of several.
        contains: array fields that must contain a value.
        orders: sort keys, each with whether it descends.
    """

    group: str
    equal: frozenset[str]
    contains: frozenset[str]
    orders: tuple[tuple[str, bool], ...]

    @classmethod
    def of(cls, query: Query) -> Self:
        """The shape of a query."""
        equal = frozenset(f.field for f in query.where if f.operator in {"==", "in"})
        contains = frozenset(f.field for f in query.where if f.operator == "array_contains")
        orders = tuple((o.field, o.descending) for o in effective_orders(query) if o.field not in equal | {ID})
        return cls(query.collection.rpartition("/")[2], equal, contains, orders)

    @property
    def is_served_automatically(self) -> bool:
        """Whether single-field indexes are enough."""
        if self.contains:
            return len(self.contains) == 1 and not self.equal and not self.orders
        return not self.orders or (len(self.orders) == 1 and not self.equal)

    @property
    def fields(self) -> frozenset[str]:
        """Every field that the query names."""
        return self.equal | self.contains | {field for field, _ in self.orders}

    @property
    def index(self) -> dict[str, Any]:
        """The composite index that serves it, as `firestore.indexes.json` names one."""
        equal = [{"fieldPath": field, "order": "ASCENDING"} for field in sorted(self.equal)]
        contains = [{"fieldPath": field, "arrayConfig": "CONTAINS"} for field in sorted(self.contains)]
        orders = [
            {"fieldPath": field, "order": "DESCENDING" if descending else "ASCENDING"}
            for field, descending in self.orders
        ]
        return {"collectionGroup": self.group, "queryScope": "COLLECTION", "fields": equal + contains + orders}


@dataclass(frozen=True, slots=True)
class Indexes:
    """The content of `firestore.indexes.json`."""

    composite: Sequence[Mapping[str, Any]]
    exempt: frozenset[tuple[str, str]]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file."""
        content = json.loads(path.read_text("utf-8"))
        overrides = content["fieldOverrides"]
        return cls(content["indexes"], frozenset((o["collectionGroup"], o["fieldPath"]) for o in overrides))

    def fault(self, query: Query) -> str | None:
        """Why production would refuse the query, or None."""
        shape = Shape.of(query)
        if shape.is_served_automatically:
            exempt = sorted(field for field in shape.fields if (shape.group, field) in self.exempt)
            return f"{shape.group}: {exempt} are exempt from indexing" if exempt else None
        if any(_serves(index, shape) for index in self.composite):
            return None
        return f"firestore.indexes.json lacks {json.dumps(shape.index)}"


def _serves(index: Mapping[str, Any], shape: Shape) -> bool:
    fields = [field for field in index["fields"] if field["fieldPath"] != ID]
    first, last = fields[: len(fields) - len(shape.orders)], fields[len(fields) - len(shape.orders) :]
    return (
        index["collectionGroup"] == shape.group
        and index["queryScope"] == "COLLECTION"
        and frozenset(f["fieldPath"] for f in first if "order" in f) == shape.equal
        and frozenset(f["fieldPath"] for f in first if "arrayConfig" in f) == shape.contains
        and tuple((f["fieldPath"], f.get("order") == "DESCENDING") for f in last) == shape.orders
    )
