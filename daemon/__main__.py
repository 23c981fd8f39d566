"""``wirewatch`` and ``python -m daemon``."""

from daemon.cli import app


def main() -> None:
    app(prog_name="wirewatch")


if __name__ == "__main__":
    main()
