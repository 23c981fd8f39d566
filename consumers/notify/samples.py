"""An invented story, told in every way: to try a template on, and to show a channel before there is any news."""

from collections.abc import Sequence

from consumers.model import AlertKind, Digest, Fact, Message, NearMiss, Passage, Report, TopicDigest

NOON = 1_763_733_720.0  # 21 November 2025, 14:02 UTC
_LEAD = "A footbridge over the river Elm collapsed on Friday; 19 people were hurt, the fire service said."
_FACT = Fact(
    key="toll hurt 19",
    kind="toll",
    text="hurt 12 → 19",
    quote="19 people were hurt, the fire service said.",
    source="site-two.example",
    url="https://site-two.example/elm",
    at=NOON - 120,
)
_OLDER = Fact(
    key="actor mayor",
    kind="actor",
    text="new: the mayor of Elmford",
    quote="The mayor of Elmford asked people to stay away.",
    source="example.org",
    url="https://example.org/elm-mayor",
    at=NOON - 900,
)
_REPORTS = (
    Report(source="example.org", url="https://example.org/elm", title="Footbridge collapses", at=NOON - 1800),
    Report(source="site-two.example", url="https://site-two.example/elm", title="Bridge falls, 19 hurt", at=NOON - 120),
    Report(
        source="site-three.example",
        url="https://site-three.example/elm",
        title="Footbridge collapses",
        at=NOON - 60,
        copy_of="example.org",
    ),
)
_WHY = {
    "first": "first report",
    "update": "new facts",
    "escalation": "3 independent sources within 30 minutes",
    "digest": "digest",
}


def alert(kind: AlertKind) -> Message:
    """A first report has added nothing yet."""
    facts: Sequence[Fact] = () if kind == "first" else (_FACT,)
    return Message(
        delivery_id="0" * 32,
        topic_id="bridge-collapses",
        topic="Bridges that collapse",
        kind=kind,
        at=NOON,
        headline="Footbridge over the Elm collapses, many hurt",
        url="https://example.org/elm",
        reports=_REPORTS[:1] if kind == "first" else _REPORTS,
        independent=1 if kind == "first" else 2,
        passage=Passage(text=_LEAD, number=1, of=4, marks=((2, 12), (32, 41))),
        reasons=("words footbridge, collapsed", "passage 1 of 4", "clearly above the line"),
        alert_id="1" * 32,
        story_id="2" * 32,
        why=_WHY[kind],
        severity="urgent" if kind == "escalation" else "normal",
        facts=tuple(facts),
        timeline=(_OLDER, *facts) if facts else (),
        articles=1 if kind == "first" else 3,
        latest=NOON - 60,
    )


def digest() -> Digest:
    miss = NearMiss(title="Bridge to be painted", source="example.org", url="https://example.org/paint", at=NOON - 3600)
    topic = TopicDigest(
        topic_id="bridge-collapses",
        topic="Bridges that collapse",
        stories=(alert("update"),),
        near_misses=(miss,),
    )
    return Digest(
        delivery_id="3" * 32,
        at=NOON,
        reason="times",
        title="Morning digest",
        lead="The stories since yesterday, 07:00 in Europe/Paris.",
        topics=(topic,),
    )


def all_kinds() -> tuple[Message | Digest, ...]:
    return alert("first"), alert("update"), alert("escalation"), digest()
