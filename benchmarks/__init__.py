"""How fast and how good: run by hand, never by the tests."""
