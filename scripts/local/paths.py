"""Where things are in the tree."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
LOCAL = Path(os.environ.get("FIRELOOM_LOCAL_FOLDER", ROOT / ".local"))
"""What is remembered between commands: logs, process ids, addresses. Never committed."""
STATE = LOCAL / "up.json"
"""Which processes ``scripts/up`` started, and when each began: ids are used again."""
BUILD = ROOT / "build"
"""Staged functions and their environments. Never committed."""
