"""Alerts to send: one as a newsroom would see it, and any that a hostile world could make."""

from dataclasses import replace

from hypothesis import strategies as st

from consumers.model import Message, Notice, Passage, Report

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
    )
