"""The page, the API, health and metrics over HTTP."""
