"""Templates: what they are for, what they cannot do, and what an article cannot do through them."""

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.model import Digest, Message, Report, TopicDigest
from consumers.notify import samples
from consumers.notify.rendered import Rendered
from consumers.notify.slack_text import escape
from consumers.notify.template import Template, TemplateUnusable
from consumers.notify.template_filters import LONGEST
from tests.alert_samples import ALERT, HOSTILE, NOTICE, messages

DESK = """\
{# The desk's own #}
Subject: {{ topic|upper }}: {{ headline }}
{% if kind == "update" %}New: {{ facts|map(attribute="text")|join("; ") }}
{% endif %}
{{ passage.quote }}
{% for report in reports[:2] %}
{{ loop.index }}. {{ report.at|time("Europe/Paris") }} {{ report.source }} {{ report.url }}
{% endfor %}
{{ sources }} sources, {{ reports|length - independent }} copied, {{ at|date }}
"""
UPDATE = samples.alert("update")


def made(source: str, message: Message | Digest = UPDATE, name: str = "desk.j2") -> Rendered:
    return Template(source, name)(message)


def for_slack(source: str, message: Message | Digest) -> str:
    template = Template(
        source,
        "desk.j2",
        escape=lambda text: escape(text, LONGEST),
        escape_address=lambda url: url.replace("&", "&amp;"),
    )
    return template(message).text


def refused(source: str) -> TemplateUnusable:
    with pytest.raises(TemplateUnusable) as raised:
        Template(source, "desk.j2")
    return raised.value


# -- what they are for


def test_a_template_says_what_it_is_asked_to_say() -> None:
    rendered = made(DESK)
    assert rendered.subject == "BRIDGES THAT COLLAPSE: Footbridge over the Elm collapses, many hurt"
    assert rendered.text.split("\n") == [
        "New: hurt 12 → 19",
        "“A footbridge over the river Elm collapsed on Friday; 19 people were hurt, the fire service said. …”",
        "1. 14:32 example.org https://example.org/elm",
        "2. 15:00 site-two.example https://site-two.example/elm",
        "3 sources, 1 copied, 21 Nov 2025",
    ]
    assert rendered.note == ""


def test_a_template_that_makes_nothing_of_an_alert_leaves_it_to_the_channel() -> None:
    assert made('{% if kind == "first" %}First!{% endif %}') == Rendered()
    assert made('{% if kind == "first" %}First!{% endif %}', samples.alert("first")).text == "First!"


def test_notices_and_digests_that_a_template_does_not_speak_of_go_out_as_they_are() -> None:
    template = Template("{{ headline }}", "desk.j2")
    assert template(samples.digest()) == Rendered()
    assert template(NOTICE) == Rendered()


def test_a_template_that_speaks_of_digests_gets_their_topics_and_stories() -> None:
    source = (
        "{% if digest %}{{ digest.title }}\n{% for each in digest.topics %}{{ each.topic }}:"
        "{% for story in each.stories %} {{ story.headline }} ({{ story.facts|length }} new){% endfor %}"
        "{% for miss in each.near_misses %} / {{ miss.title }}{% endfor %}{% endfor %}{% endif %}"
    )
    told = made(source, samples.digest()).text
    assert "Bridges that collapse: Footbridge over the Elm collapses, many hurt (1 new) / Bridge to be painted" in told


def test_only_a_subject_of_the_template_is_one() -> None:
    rendered = made("{{ headline }}\n{{ why }}", replace(UPDATE, headline="Subject: send money"))
    assert rendered.subject == ""
    assert rendered.text.startswith("Subject: send money\n")


# -- what is refused when it is read, with its line


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("a\n{{ storey }}", 2, 'there is no "storey": did you mean "story_id"?'),
        ("a\n\n{{ reports[0].titel }}", 3, 'there is no "titel" here: there are source, url, title'),
        ("{% if kind %}\nx", 2, "Unexpected end of template"),
        ("x\n{{ headline|upper|nosuch }}", 2, "nosuch"),
        ("{{ facts[0].text }}", 1, "there is no item 0 (with a sample of kind first)"),
        ("{{ reports }}", 1, "looped over or joined"),
        ("{{ headline + kind }}", 1, "+ is for numbers"),
        ("{{ digest.title }}", 1, "write {% if digest %} around it"),
        ('{{ at|time("Europe/Nowhere") }}', 1, 'there is no zone "Europe/Nowhere"'),
        ("x" * (LONGEST + 1), 1, "longer than"),
    ],
)
def test_a_template_with_a_mistake_is_refused_with_its_line(source: str, line: int, words: str) -> None:
    error = refused(source)
    assert words in error.message
    assert error.line == line


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'] }}",
        "{{ headline.__class__.__mro__[1].__subclasses__() }}",
        "{{ passage.__init__.__globals__ }}",
        "{{ passage['__init__'] }}",
        "{{ reports|map(attribute='__class__.__mro__')|first }}",
        "{{ reports|map('_map', attribute='x')|first }}",
        "{{ reports|join(',', '__class__') }}",
        "{{ reports|sort(attribute='__class__')|first }}",
        "{{ ''|attr('__class__') }}",
        "{{ '{0.__class__}'.format(passage) }}",
        "{{ headline.format }}",
        "{{ self.__init__ }}",
        "{{ self }}",
        "{{ loop }}",
        "{{ _meter }}",
        "{{ reports|_each(-1000) }}",
        "{% for report in reports %}{{ loop.__class__ }}{% endfor %}",
        "{% for report in reports %}{{ loop._iterator }}{% endfor %}",
        "{{ cycler }}{{ joiner }}{{ lipsum }}{{ dict }}",
        "{% include '/etc/passwd' %}",
        "{% extends '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{% from 'os' import system %}",
        "{{ at|date('../../../etc/passwd') }}",
    ],
)
def test_nothing_leads_out_of_the_sandbox(source: str) -> None:
    refused(source)


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(1000000000) %}{% endfor %}",
        "{{ 10 ** 10 ** 10 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'x'|center(1000000000) }}",
        "{{ 'x'|indent(1000000000) }}",
        "{{ 1.5|round(-1000000000) }}",
        "{{ 'x'|replace('', 'xxxxxxxxxx') }}",
        "{{ lipsum(n=100000) }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
        "{% for r in reports recursive %}{{ loop(reports) }}{% endfor %}",
        "{% set a = 'x' %}" + "{% set a = a ~ a %}" * 60,
        "{% set a = 'x' %}" + "{% set a = a + a %}" * 60,
        "{% set a %}x{% endset %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60,
        "{% set a = [reports] %}" + "{% set a = [a, a] %}" * 60,
        "{% set n = namespace(a='x') %}{% for r in reports %}{% set n.a = n.a ~ n.a %}{% endfor %}",
        "{{ " + "(" * 9000 + "1" + ")" * 9000 + " }}",
        "{{ " + "not " * 4000 + "1 }}",
        "{{ 1" + " + 1" * 4000 + " }}",
        "{{ kind" + "|upper" * 3000 + " }}",
        "{{ " + "9" * 9000 + " }}",
        "{% if kind %}" * 400 + "{% endif %}" * 400,
        "{% if kind %}" + "{% elif kind == 'x' %}" * 850 + "{% endif %}",
        "{% for a in reports %}" * 25 + "{% endfor %}" * 25,
        "{{ '" + "{{ '" * 4000,
        "{%" * 9000,
        "{#" * 9000,
    ],
)
def test_what_could_run_away_is_refused_at_once(source: str) -> None:
    started = time.process_time()
    refused(source)
    assert time.process_time() - started < 2.0


# -- what fails when it runs


MANY = replace(
    UPDATE,
    reports=tuple(
        Report(source=f"s{n}.example", url=f"https://s{n}.example/", title="t" * 250, at=n) for n in range(5000)
    ),
    timeline=UPDATE.facts * 5000,
    reasons=("r" * 5000,) * 500,
)
ENDLESS = [
    "{% for a in reports %}" * 8 + "{% endfor %}" * 8,
    "{% for a in reports %}" * 2 + "{% set x = reports|sort(attribute='title')|map(attribute='title')|unique|length %}"
    "{% endfor %}{% endfor %}",
    "{% for a in reports %}" * 3 + "{{ a.title|sort|join|upper|sort|join }}" + "{% endfor %}" * 3,
    "{% for a in reports %}" * 2 + "{% set x = reports|join(headline, 'title') %}" + "{% endfor %}" * 2,
]


@pytest.mark.parametrize("source", ENDLESS)
def test_a_template_that_does_too_much_ends_soon_and_the_alert_goes_out_in_our_words(source: str) -> None:
    template = Template(source, "desk.j2")
    started = time.process_time()
    rendered = template(MANY)
    assert time.process_time() - started < 2.0
    assert rendered.text == ""
    assert "desk.j2 failed" in rendered.note
    assert "own words" in rendered.note


def test_a_template_makes_no_more_than_a_message() -> None:
    rendered = made("{% for report in reports %}{{ report.title }} {% endfor %}", MANY)
    assert (rendered.text, "more than 20000 characters" in rendered.note) == ("", True)


def test_a_large_digest_is_seen_in_part_and_quickly() -> None:
    topics = tuple(TopicDigest(topic_id=str(n), topic="t", stories=(MANY,) * 50) for n in range(200))
    source = (
        "{% if digest %}{{ digest.stories }}{% for t in digest.topics %}{{ t.stories|length }} {% endfor %}{% endif %}"
    )
    template = Template(source, "desk.j2")
    started = time.process_time()
    told = template(replace(samples.digest(), topics=topics)).text
    assert time.process_time() - started < 2.0
    assert told.startswith("10000")
    assert sum(map(int, told.removeprefix("10000").split())) == 100


def test_what_fails_with_one_alert_alone_names_the_line_and_nothing_of_the_alert() -> None:
    source = "Hello\n{% if sources == 77 %}\n{{ headline.nosuch }}{% endif %}"
    reports = tuple(Report(source=str(number), url="", title="", at=0.0) for number in range(77))
    rendered = made(source, replace(ALERT, reports=reports))
    assert rendered.text == ""
    assert "desk.j2 failed at line 3" in rendered.note
    assert ALERT.headline not in rendered.note


# -- what an article cannot do


EVERYTHING = """\
{{ topic }} {{ headline }} {{ url }} {{ passage.text }} {{ passage.quote }}
{% for report in reports %}{{ report.source }} {{ report.title }} {{ report.url }} {{ report.copy_of }}
{% endfor %}
{% for reason in reasons %}{{ reason }}
{% endfor %}
END"""


@given(message=messages())
def test_no_article_makes_a_line_or_a_control_character_of_its_own(message: Message) -> None:
    rendered = made(EVERYTHING, message)
    if rendered.note:
        assert "more than 20000" in rendered.note
        return
    lines = rendered.text.split("\n")
    reports, reasons = min(len(message.reports), 100), min(len(message.reasons), 100)
    assert len(lines) <= 2 + reports + reasons
    assert not any(ord(char) < 32 and char != "\n" for char in rendered.text)
    assert rendered.subject == ""


def test_an_article_has_no_markup_in_slack() -> None:
    told = for_slack(EVERYTHING, replace(ALERT, headline=HOSTILE, reasons=(HOSTILE,)))
    assert "<" not in told.replace("&lt;", "")
    for char in "*`~":
        assert char not in told
    assert "&amp;lang=en" in told


def test_the_templates_own_markup_and_links_reach_slack_whole() -> None:
    told = for_slack(
        "*<{{ url }}|{{ headline }}>*", replace(ALERT, headline="a|b>c_d", url="https://x.example/a_b~c?d&e")
    )
    assert told == "*<https://x.example/a_b~c?d&amp;e|a|b&gt;c_d>*"


def test_a_template_cannot_write_what_no_text_holds() -> None:
    assert made(r"a{{ '\x1b[2J' }}{{ '\ud800' }}{{ '\x00' }}b").text == "a [2J b"


def test_a_text_that_looks_like_a_template_is_not_run() -> None:
    assert made("{{ headline }}", replace(ALERT, headline="{{ 7 + 7 }} {% raw %}")).text == "{{ 7 + 7 }} {% raw %}"


PIECES = (
    *(
        "{{ ",
        " }}",
        "{% if ",
        "{% endif %}",
        "{% for r in ",
        "{% endfor %}",
        " %}",
        "{% set x = ",
        "{% else %}",
        "{#",
        "#}",
    ),
    *("headline", "reports", "r", "x", "facts", "digest", "loop", "kind", "passage", "1", "'a'", "none", "_", "self"),
    *("|join", "|sort", "|first", "|map(attribute='title')", "|truncate", "|time", "|default", "(-9)", "('a', 9)"),
    *(
        ".title",
        ".at",
        ".topics",
        "[0]",
        "[-1:]",
        "['x']",
        "+",
        "-",
        " not ",
        " in ",
        " == ",
        " if ",
        " is none",
        "\n",
        " (",
    ),
    *("Subject: ", ")", ",", "~", "%", "*", "\x00", "\ud800"),
)


@settings(max_examples=500)
@given(source=st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_whatever_is_written_is_refused_or_renders_any_alert(source: str) -> None:
    try:
        template = Template(source, "desk.j2")
    except TemplateUnusable:
        return
    for message in (MANY, replace(ALERT, headline=HOSTILE, reports=())):
        rendered = template(message)
        assert not (rendered.text and rendered.note)


def test_a_filter_that_is_not_there_is_told_with_those_that_are() -> None:
    told = refused("{{ headline }}\n{{ facts|tojson }}")
    assert (told.line, told.message.startswith('there is no filter "tojson": there are ')) == (2, True)
    assert "truncate" in told.message
    assert "_" not in told.message
