"""A digest in Slack's Block Kit: by topic, by story, and as many stories as one message takes."""

from collections.abc import Iterator

from consumers.model import Digest, Message, NearMiss
from consumers.notify import wording, wording_digest
from consumers.notify.slack_text import MOST, MOST_BLOCKS, Block, context, escape, link, packed, section, size
from consumers.notify.wording_digest import Detail, Section

_STORIES, _NEAR = 60, 10  # to begin with
_FACTS = 2  # of each story
_HEADLINE, _LINE, _TITLE, _LEAD = 400, 300, 500, 800
_SECTION = 2900
_IN_PLAIN = 12  # stories


def blocks(digest: Digest, now: float) -> list[Block]:
    """With fewer stories until they fit; those that are left out are counted, with the way to them."""
    stories, near = _STORIES, _NEAR
    made = _blocks(digest, now, stories, near)
    while (size(made) > MOST or len(made) > MOST_BLOCKS) and (stories or near):
        stories, near = stories * 4 // 5, near // 2
        made = _blocks(digest, now, stories, near)
    return made


def plain(digest: Digest) -> list[str]:
    """The parts of the digest in one line of plain text."""
    stories = [story for each in wording_digest.sections(digest, Detail(stories=_IN_PLAIN)) for story in each.stories]
    left = sum(len(each.stories) for each in digest.topics) - len(stories)
    told = " · ".join(wording.headline(story) for story in stories) + (f" · and {left} more" if left else "")
    repeat = wording.REPEAT if digest.possible_repeat else ""
    return [wording.sentence(digest) + (":" if told else ""), told, wording.safe_url(digest.page), repeat]


def _blocks(digest: Digest, now: float, stories: int, near: int) -> list[Block]:
    detail = Detail(stories=stories, near_misses=near, facts=_FACTS)
    sections = wording_digest.sections(digest, detail)
    told = [block for each in sections for block in _topic(each, now)]
    return [*_head(digest), *told, *_near_misses(digest, detail, now), *_rest(digest, sections)]


def _head(digest: Digest) -> Iterator[Block]:
    bold = f"*{escape(wording_digest.title(digest), _TITLE)}*"
    title = " · ".join(filter(None, (bold, wording_digest.tally(digest))))
    yield section("\n".join(filter(None, (title, escape(wording_digest.lead(digest), _LEAD)))))
    if digest.possible_repeat:
        yield context(f":warning: {wording.REPEAT}")


def _topic(topic: Section, now: float) -> Iterator[Block]:
    title = f"*{escape(topic.topic, _TITLE)}* · {topic.counts}"
    yield from map(section, packed([title, *(_story(story, now) for story in topic.stories)], _SECTION))


def _near_misses(digest: Digest, detail: Detail, now: float) -> Iterator[Block]:
    lines = []
    for topic in wording_digest.near_misses(digest, detail):
        lines.append(f"{wording_digest.NEAR}: {escape(topic.topic, _TITLE)}")
        lines += [f"• {_near(miss, now)}" for miss in topic.misses]
        lines += [topic.more] if topic.more else []
    yield from map(context, packed(lines, _SECTION))


def _story(story: Message, now: float) -> str:
    facts, _ = wording_digest.facts(story, _FACTS)
    new = {fact.key for fact in story.facts}
    lines = [wording.added(fact) if fact.key in new else wording.fact_line(fact, now) for fact in facts]
    status = wording.status_lines(story)[:1]
    siren = ":rotating_light: " if wording.urgent(story) else ""
    headline = link(wording.safe_url(story.url), escape(wording.headline(story), _HEADLINE), room=500)
    first = " ".join(filter(None, (f"• {siren}*{headline}*", wording.tally(story))))
    return "\n".join([first, *(f"      {escape(line, _LINE)}" for line in [*lines, *status])])


def _near(miss: NearMiss, now: float) -> str:
    return link(wording.safe_url(miss.url), escape(wording_digest.near_miss(miss, now), _LINE), room=500)


def _rest(digest: Digest, sections: list[Section]) -> Iterator[Block]:
    left = sum(len(each.stories) for each in digest.topics) - sum(len(each.stories) for each in sections)
    more = f"and {wording.counted(left, 'more story', 'more stories')}" if left else ""
    page = link(wording.safe_url(digest.page), "Open on the Wirewatch page")
    if text := ": ".join(filter(None, (more, page if page.startswith("<") else ""))):
        yield context(text)
