"""The store's schema, step by step.

A change of tables.py needs a new file in versions/, and its number here; tests/unit/test_store.py prints the
operations that are missing.
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Schema:
    """Where the steps are, and the newest of them, so that start-up can skip alembic (0.15 s) where it is in force."""

    steps: Path
    head: str


SCHEMA = Schema(Path(__file__).parent, "0004")
