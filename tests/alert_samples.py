"""Tidings to send: some as a newsroom would see them, and any that a hostile world could make."""

from dataclasses import replace
from typing import get_args

from hypothesis import strategies as st

from consumers.model import Digest, Fact, FactKind, Message, NearMiss, Notice, Passage, Report, TopicDigest

NOON = 1_763_733_720.0  # 2025-11-21 14:02 UTC
TEXT = (
    "Russian aircraft carried out twenty strikes on Wednesday in Homs province, the defence ministry said, adding "
    "that depots and command posts were destroyed."
)


def marks(*words: str) -> tuple[tuple[int, int], ...]:
    return tuple((TEXT.index(word), TEXT.index(word) + len(word)) for word in words)


ALERT = Message(
    delivery_id="d" * 32,
    topic_id="russian-airstrikes-syria",
    topic="Russian airstrikes Syria",
    kind="first",
    at=NOON,
    headline="Russian warplanes strike targets near Homs, ministry says",
    url="https://example.org/news/2025/11/21/homs?id=4&lang=en",
    reports=(
        Report(source="example.org", url="https://example.org/1", title="Warplanes strike", at=NOON - 660),
        Report(source="site-two.example", url="https://site-two.example/2", title="Strikes", at=NOON - 300),
        Report(
            source="site-three.example",
            url="https://site-three.example/3",
            title="Warplanes strike",
            at=NOON - 60,
            copy_of="example.org",
        ),
    ),
    independent=2,
    passage=Passage(text=TEXT, number=2, of=9, marks=marks("Russian", "strikes", "Homs")),
    reasons=("words Russian, air strikes, Homs", "passage 2 of 9", "clearly above the line"),
    alert_id="a" * 32,
    story_id="s" * 32,
)


def fact(kind: FactKind, text: str, quote: str, source: str, minutes: float) -> Fact:
    """``minutes`` after noon."""
    url = f"https://{source}/{kind}"
    return Fact(key=f"{kind} {text}", kind=kind, text=text, quote=quote, source=source, url=url, at=NOON + 60 * minutes)


TOLL = fact(
    "toll", "toll 12 → 19", "At least 19 people were killed, the civil defence said.", "site-two.example", 68
)  # 15:10 UTC
PLACE = fact("place", "place Idlib", "A second strike hit a depot near Idlib.", "site-four.example", 40)
ACTOR = fact("actor", "actor United Nations", "The United Nations called for restraint.", "example.org", 22)
TAKEN_BACK = fact(
    "correction",
    "twenty strikes → twelve strikes",
    "An earlier version of this article gave the number of strikes as twenty.",
    "example.org",
    95,
)
UPDATE = replace(
    ALERT,
    delivery_id="e" * 32,
    alert_id="b" * 32,
    kind="update",
    why="new facts",
    at=NOON + 60 * 70,
    url="https://site-two.example/toll",
    reports=(
        *ALERT.reports,
        Report(source="site-four.example", url="https://site-four.example/4", title="Depot hit", at=NOON + 2400),
        Report(
            source="site-two.example", url="https://site-two.example/toll", title="Toll rises to 19", at=NOON + 4080
        ),
    ),
    independent=3,
    facts=(TOLL,),
    timeline=(ACTOR, PLACE, TOLL),
    articles=14,
    latest=NOON + 60 * 98,  # 15:40 UTC
    thread="<dddd@desk.example.org> Russian airstrikes Syria: Russian warplanes strike targets near Homs",
    follows=("<dddd@desk.example.org> Russian airstrikes Syria: Russian warplanes strike targets near Homs",),
)
MORE = replace(UPDATE, facts=(), timeline=(ACTOR, PLACE), why="another report")  # updates = "all"
ESCALATION = replace(
    UPDATE,
    delivery_id="f" * 32,
    alert_id="c" * 32,
    kind="escalation",
    why="3 independent sources within 30 minutes",
    severity="urgent",
    at=NOON + 60 * 71,
)
MERGED = replace(
    ALERT,
    merged_into="Strikes on Homs kill 19",
    timeline=(ACTOR, TOLL),
    articles=9,
    latest=NOON + 60 * 98,
    status=("muted by Ana until 18:00 UTC",),
)
FLOOD = replace(
    ALERT,
    topic_id="floods",
    topic="River floods in Europe",
    story_id="t" * 32,
    headline="Thousands leave their homes as the Danube rises to a record in Passau",
    url="https://river.example/danube",
    passage=Passage(
        text="The Danube rose to 12.4 metres in Passau on Friday, the highest level since records began in 1501.",
        number=1,
        of=6,
    ),
    reports=(Report(source="river.example", url="https://river.example/danube", title="Danube", at=NOON - 3600),),
    independent=1,
    articles=1,
    latest=NOON - 3600,
)
DIGEST = Digest(
    delivery_id="g" * 32,
    at=NOON + 60 * 100,
    reason="times",
    title="Digest of 07:00 Europe/Paris",
    lead="What was reported since yesterday, 07:00.",
    topics=(
        TopicDigest(
            topic_id="russian-airstrikes-syria",
            topic="Russian airstrikes Syria",
            stories=(replace(UPDATE, facts=(TAKEN_BACK, TOLL)), replace(ESCALATION, headline="Depot near Idlib burns")),
            near_misses=(
                NearMiss(
                    title="Moscow denies new deployment",
                    source="site-five.example",
                    url="https://site-five.example/5",
                    at=NOON + 600,
                ),
            ),
        ),
        TopicDigest(topic_id="floods", topic="River floods in Europe", stories=(FLOOD,)),
        TopicDigest(
            topic_id="grain",
            topic="Grain exports from Odesa",
            near_misses=(
                NearMiss(title="Wheat futures fall", source="trade.example", url="https://trade.example/w", at=NOON),
            ),
        ),
    ),
    page="https://wirewatch.example/digests/1",
)
NOTICE = Notice(delivery_id="n" * 32, at=NOON, title="channel desk is disabled", text="It is archived.\n\nMend it.")

HOSTILE = (
    "<!channel> <@U1> <https://evil.example|click> & &lt; `code` *bold* _it_ ~no~ "
    "\x1b[2J\x1b]8;;http://evil.example\x07 \u202egnp.exe\u2066 \r\nBcc: victim@example.org\r\n\r\n "
    "<script>alert(1)</script> <img src=https://evil.example/pixel> =?utf-8?q?x=0AEvil:_y?= :fire: \ud800"
)


def _text(limit: int) -> st.SearchStrategy[str]:
    anything = st.text(st.characters(exclude_categories=()), max_size=60)
    nasty = st.sampled_from([HOSTILE, "&" * 40, "<" * 40, "\U0001f600" * 40, "ء\u202e", "\r\nX: y", "*_~`", "x" * 500])
    return st.lists(st.one_of(anything, nasty), max_size=8).map(lambda parts: " ".join(parts)[:limit])


@st.composite
def messages(draw: st.DrawFn) -> Message:
    """Any article behind an alert: any Unicode, huge, or written to do harm."""
    passage = draw(_text(4000)) * draw(st.sampled_from([1, 1, 10]))
    size = len(passage)
    spans = draw(st.lists(st.tuples(st.integers(0, size), st.integers(0, size)), max_size=6))
    urls = st.one_of(
        st.sampled_from(["", "https://example.org/a?b=1&c=<d>|e", "javascript:alert(1)", "https://x/" + "a" * 3000]),
        _text(200).map(lambda text: "https://example.org/" + text),
    )
    told = _text(200).map(lambda text: f"<{'1' * 32}@desk.example.org> {text}")
    words, times = _text(300), st.floats(0, 2e9)
    facts = st.builds(
        Fact,
        key=st.text(max_size=3),
        kind=st.sampled_from(get_args(FactKind)),
        text=words,
        quote=_text(3000),
        source=words,
        url=urls,
        at=times,
    )
    report = st.builds(Report, source=_text(300), url=urls, title=_text(300), at=st.floats(0, 2e9), copy_of=_text(90))
    return replace(
        ALERT,
        topic=draw(_text(400)),
        headline=draw(_text(3000)),
        url=draw(urls),
        page=draw(urls),
        reports=tuple(draw(st.lists(report, max_size=20))),
        passage=Passage(text=passage, number=draw(st.integers(1, 3)), of=3, marks=tuple(spans)),
        reasons=tuple(draw(st.lists(_text(900), max_size=5))),
        possible_repeat=draw(st.booleans()),
        kind=draw(st.sampled_from(["first", "update", "escalation"])),
        why=draw(_text(400)),
        severity=draw(st.sampled_from(["normal", "urgent"])),
        facts=tuple(draw(st.lists(facts, max_size=10))),
        timeline=tuple(draw(st.lists(facts, max_size=10))),
        articles=draw(st.integers(0, 5000)),
        latest=draw(times),
        thread=draw(st.one_of(st.just(""), told, words)),
        follows=tuple(draw(st.lists(st.one_of(told, words), max_size=30))),
        merged_into=draw(_text(400)),
        status=tuple(draw(st.lists(words, max_size=3))),
    )


@st.composite
def digests(draw: st.DrawFn) -> Digest:
    """Any digest of such alerts, small ones and those that are far too large."""
    words, url = _text(300), _text(200).map(lambda text: "https://example.org/" + text)
    miss = st.builds(NearMiss, title=words, source=words, url=url, at=st.floats(0, 2e9))
    topics = [
        TopicDigest(
            topic_id="t",
            topic=draw(words),
            stories=tuple(draw(st.lists(messages(), max_size=2))) * draw(st.sampled_from([1, 1, 80])),
            near_misses=tuple(draw(st.lists(miss, max_size=3))) * draw(st.sampled_from([1, 1, 80])),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    return replace(
        DIGEST,
        title=draw(words),
        lead=draw(words),
        topics=tuple(topics) * draw(st.sampled_from([1, 1, 60])),
        page=draw(url),
        possible_repeat=draw(st.booleans()),
    )
