"""Regular expressions that take time linear in the text, whatever the pattern (RE2)."""

from __future__ import annotations

from collections.abc import Callable

from shared.domain.errors import Fault, InvalidArgument
from shared.domain.globs import glob_expression

Search = Callable[[str], int | None]
"""Where in a text the expression matches first, in characters; None where it does not."""


def compile_search(pattern: str, *, ignore_case: bool = False) -> Search:
    """Compile a pattern of a model's choosing.

    Raises:
        InvalidArgument: it is not RE2 syntax, or too large once compiled.
    """
    import re2

    options = re2.Options()
    options.log_errors = False  # RE2 would write to stderr
    options.case_sensitive = not ignore_case
    try:
        compiled = re2.compile(pattern, options)
    except re2.error as error:
        reason = str(error.args[0].decode("utf-8", "replace") if error.args else error)
        text = f"{pattern!a} is not a regular expression in RE2 syntax: {reason}."
        raise InvalidArgument(text, (Fault("pattern", reason),)) from error

    def search(text: str) -> int | None:
        found = compiled.search(text)
        return None if found is None else int(found.start())

    return search


def compile_glob(glob: str) -> Callable[[str], bool]:
    """Whether a path matches the glob.

    Raises:
        InvalidArgument: the glob is malformed.
    """
    try:
        search = compile_search(glob_expression(glob))
    except InvalidArgument as error:
        reason = error.faults[0].reason
        raise InvalidArgument(f"{glob!a} is not a glob pattern: {reason}.", (Fault("glob", reason),)) from error
    return lambda path: search(path) is not None
