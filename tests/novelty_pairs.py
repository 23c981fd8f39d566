"""The hand-written pairs of tests/data/novelty: what a story has told, a follow-up, and what of it is new."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from consumers.model import Article, Fact
from consumers.novelty import changed, first_known, learned, new_facts

FOLDER = Path(__file__).parent / "data" / "novelty"
_START = 1_623_751_200.0  # 15 June 2021, 10:00 UTC: what is told of other years is the past
_LATER = 9  # hours until the follow-up


@dataclass(frozen=True, slots=True)
class Pair:
    """``new``: "kind|kind: words|words" of each fact that a desk wants told; ``fails``: why it is not."""

    name: str
    before: tuple[Article, ...]
    after: Article
    new: tuple[str, ...]
    fails: str
    revision: bool

    def told(self) -> tuple[Fact, ...]:
        if self.revision:
            return changed(self.before[0], self.after)
        known = first_known(self.before[0])
        for article in self.before[1:]:
            known = learned(known, article)
        return new_facts(self.after, known)

    def is_right(self) -> bool:
        """In the verdict and in every fact that is wanted."""
        told = self.told()
        return bool(told) == bool(self.new) and all(any(is_meant(fact, want) for fact in told) for want in self.new)

    def unwanted(self) -> tuple[Fact, ...]:
        return tuple(fact for fact in self.told() if not any(is_meant(fact, want) for want in self.new))


def is_meant(fact: Fact, want: str) -> bool:
    kinds, _, words = want.partition(": ")
    return fact.kind in kinds.split("|") and any(each.lower() in fact.text.lower() for each in words.split("|"))


def article(written: str, number: int) -> Article:
    """Its first line is the headline; each comes an hour after the one before, from a paper of its own."""
    title, _, text = written.strip().partition("\n")
    at = _START + 3600 * number
    return Article(
        id=f"a{number}",
        feed_id="f",
        source=f"paper{number}.example",
        url=f"https://paper{number}.example/{number}",
        title=title,
        text=text.strip(),
        published=at,
        seen=at,
    )


def pairs() -> tuple[Pair, ...]:
    return tuple(pair for path in sorted(FOLDER.glob("*.toml")) for pair in _pairs_of(path))


def _pairs_of(path: Path) -> Iterator[Pair]:
    read = tomllib.loads(path.read_text(encoding="utf-8"))
    for story in read.get("story", ()):
        before = tuple(article(written, number) for number, written in enumerate(story["before"]))
        for follow_up in story["then"]:
            yield _pair(path, before, article(follow_up["says"], _LATER), follow_up, revision=False)
    for edit in read.get("revision", ()):
        yield _pair(path, (article(edit["before"], 0),), article(edit["after"], 0), edit, revision=True)


def _pair(path: Path, before: tuple[Article, ...], after: Article, read: dict[str, object], *, revision: bool) -> Pair:
    new, fails = read["new"], read.get("fails", "")
    assert isinstance(new, list)
    assert isinstance(fails, str)
    return Pair(f"{path.stem}: {after.title}", before, after, tuple(new), fails, revision)
