"""``wirewatch`` and ``python -m daemon``."""

import sys


def main() -> None:
    from daemon.cli import app

    app(prog_name="wirewatch")


if __name__ == "__main__":
    sys.exit(main())
