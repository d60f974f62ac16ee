from __future__ import annotations

import inspect
import re

from shared.domain import errors
from shared.domain.errors import DomainError

_LINE = re.compile(r"^([│├└─ ]*)([A-Z]\w+)")
_STEP = len("├── ")


def drawn() -> dict[str, str | None]:
    """Each error of the tree atop the module, with the one that it stands below."""
    above: list[str] = []
    found: dict[str, str | None] = {}
    for line in (errors.__doc__ or "").splitlines()[2:]:
        match = _LINE.match(line)
        assert match is not None, line
        depth = len(match[1]) // _STEP
        found[match[2]] = above[depth - 1] if depth else None
        above[depth:] = [match[2]]
    return found


def test_the_tree_atop_the_module_shows_every_error_below_its_own_kind() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DomainError)]
    below = {kind.__name__: None if kind is DomainError else kind.__bases__[0].__name__ for kind in kinds}
    assert drawn() == below
