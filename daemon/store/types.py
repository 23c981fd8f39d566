"""Text columns that hold the same on SQLite and PostgreSQL. The migrations give them the same order, too."""

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    StringDecorator = sa.types.TypeDecorator[str]
else:
    StringDecorator = sa.types.TypeDecorator


class String(StringDecorator):
    """PostgreSQL cannot hold the character NUL, which strangers' articles may have: there it becomes U+FFFD."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        if value is None or dialect.name != "postgresql":
            return value
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


class Text(String):
    impl = sa.Text
    cache_ok = True
