"""Where things are in the tree."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The repository."""
LOCAL = ROOT / ".local"
"""What a machine remembers between commands: logs, process ids, addresses. Never committed."""
BUILD = ROOT / "build"
"""Staged functions and their environments. Never committed."""
