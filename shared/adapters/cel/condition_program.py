"""Prints what a condition comes to, as JSON; a program of its own, so that a condition made to hang can be stopped.

It reads an object with `condition`, `scope` and `judges` from standard input. Arguments: the most seconds and bytes of
memory to take.
"""

from __future__ import annotations

import json
import sys

from shared.adapters.cel.evaluation import judge, misfit
from shared.processes.program_limits import limit


def main(seconds: int, memory_bytes: int) -> None:
    """Evaluate, and print an object with `result`."""
    limit(seconds, memory_bytes)
    asked = json.load(sys.stdin.buffer)
    evaluate = judge if asked["judges"] else misfit
    sys.stdout.write(json.dumps({"result": evaluate(asked["condition"], asked["scope"])}))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
