"""The store's schema, step by step. ``HEAD`` is the newest step, so that start-up can skip alembic (a test compares).

A change of tables.py needs a new file in versions/; tests/unit/test_store.py prints the operations that are missing.
"""

HEAD = "0001"
