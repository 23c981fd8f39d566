"""One article and what a topic makes of it, for people and as JSON."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from daemon.cli.context import plain, when

if TYPE_CHECKING:
    from daemon.draft import Tried

_QUOTED = 320  # characters of a passage


def show(tried: "Tried") -> None:
    article = tried.article
    at = article.seen if article.published is None else article.published
    where = " · ".join(part for part in (article.source, when(at), article.url) if part)
    typer.echo(plain(f"  {article.title or '(no title)'}"))
    if article.feed_id:
        typer.echo(plain(f"    {where}"))
    if tried.passage.text != article.title:
        typer.echo(plain(f"    “{quoted(tried.passage.text, tried.passage.marks)}”"))
    typer.echo(plain(f"    Why: {'; '.join(tried.reasons)}"))


def quoted(text: str, marks: tuple[tuple[int, int], ...]) -> str:
    """As much of the passage as fits, around the first mark."""
    first = marks[0][0] if marks else 0
    start = 0 if first < _QUOTED // 2 else text.rfind(" ", 0, first - _QUOTED // 4) + 1
    end = start + _QUOTED
    return ("… " if start else "") + " ".join(text[start:end].split()) + (" …" if end < len(text) else "")


def as_row(tried: "Tried") -> dict[str, object]:
    """``score``: 0 to 1, the line at ½; for ordering, not for people."""
    article = tried.article
    return {
        "id": article.id,
        "matched": tried.matched,
        "title": article.title,
        "source": article.source,
        "url": article.url,
        "published": article.published,
        "passage": asdict(tried.passage),
        "reasons": list(tried.reasons),
        "evidence": asdict(tried.evidence),
        "score": round(tried.score, 4),
    }
