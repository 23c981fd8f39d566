"""What runs: fetchers, the log, the store, the senders, the page and the command line."""

__version__ = "0.1.0"
