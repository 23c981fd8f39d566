import json
import unicodedata
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.fetch.parse import parse
from daemon.fetch.parsed import NotAFeed, ParsedFeed
from tests.fake_feeds import Item, rss

FEEDS = Path(__file__).parents[1] / "data" / "feeds"
URL = "https://valley.example/feeds/all.xml"


def read(body: bytes, *, url: str = URL, headers: dict[str, str] | None = None, most: int = 500) -> ParsedFeed:
    parsed = parse(body, url, headers or {}, max_entries=most)
    assert isinstance(parsed, ParsedFeed), parsed
    return parsed


def refuse(body: bytes) -> NotAFeed:
    parsed = parse(body, URL, {}, max_entries=500)
    assert isinstance(parsed, NotAFeed), parsed
    return parsed


def sample(name: str) -> ParsedFeed:
    return read((FEEDS / name).read_bytes())


def test_rss_091_in_latin_1_is_read() -> None:
    feed = sample("rss091.xml")
    assert feed.kind == "rss091n"
    assert [entry.title for entry in feed.entries] == ["Ferry café reopens", "Tide tables for December"]
    assert feed.entries[0].lang == "en-us"


def test_rss_20_links_are_absolute_and_without_trackers() -> None:
    first, second = sample("rss20.xml").entries
    assert first.url == "https://valley.example/news/flour?id=17"
    assert second.url == "https://valley.example/news/bridge"


def test_the_longer_of_content_and_summary_is_the_text() -> None:
    first, second = sample("rss20.xml").entries
    assert first.text == "The bakers’ guild and the mills agreed on Friday.\n\nThe price holds until spring."
    assert second.text.startswith("The bridge is closed")


def test_entities_are_decoded_once() -> None:
    assert sample("rss20.xml").entries[0].title == "Bakers & millers agree on flour price"


def test_what_the_feed_says_of_its_own_pace_is_read() -> None:
    assert sample("rss20.xml").ttl == 1800.0
    assert sample("rdf.xml").ttl == 1800.0


def test_dates_become_seconds_and_nonsense_becomes_nothing() -> None:
    first, second = sample("rss20.xml").entries
    assert first.published == 1_795_163_400.0
    assert second.published is None


def test_rdf_is_read() -> None:
    feed = sample("rdf.xml")
    assert (feed.kind, feed.title) == ("rss10", "Observatory notes")
    assert feed.entries[0].title == "Une comète visible à l'œil nu"
    assert feed.entries[0].lang == "fr"
    assert feed.entries[0].published == 1_795_125_600.0


def test_atom_is_read_with_its_own_base() -> None:
    (entry,) = sample("atom.xml").entries
    assert entry.url == "https://berg.example/lawine.html"
    assert entry.title == "Lawinenwarnung: Stufe 4 < 5 & steigend"
    assert entry.text == "Die Gefahr ist groß.\n\nWege sind gesperrt."
    assert entry.lang == "de"


def test_broken_xml_is_read_as_far_as_it_goes_with_a_warning() -> None:
    feed = sample("broken.xml")
    assert [entry.title for entry in feed.entries] == ["First & foremost", "Second"]
    assert feed.warning


def test_entities_of_a_document_type_are_neither_expanded_nor_fetched() -> None:
    text = str(sample("entities.xml"))
    assert "aaaa" not in text
    assert "root:" not in text


def test_a_body_that_is_a_path_or_an_address_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_bytes(rss([Item(title="secret")]))
    assert "neither RSS nor Atom" in refuse(str(file).encode()).reason
    assert "neither RSS nor Atom" in refuse(b"file://" + str(file).encode()).reason


def test_a_web_page_names_the_feeds_it_announces() -> None:
    page = b"""<!doctype html><html><head><link rel="alternate" type="application/rss+xml" href="/a.xml">
        <link rel=ALTERNATE type="application/atom+xml" href="//other.example/b"><link rel=stylesheet href=x.css>
        <link rel="alternate" type="application/rss+xml" href="javascript:alert(1)"></head><body>Hello</body></html>"""
    refused = refuse(page)
    assert refused.discovered == ("https://valley.example/a.xml", "https://other.example/b")
    assert "this is a web page, not a feed; it announces these feeds: https://valley.example/a.xml" in refused.reason


def test_what_is_no_feed_is_called_by_its_name() -> None:
    assert "announces none" in refuse(b"<html><body>Not here</body></html>").reason
    assert "empty document" in refuse(b"  \n").reason
    assert "empty document" in refuse(b"").reason
    assert "JSON" in refuse(b'{"error": 1}').reason
    assert refuse(b'<rss version="2.0"><channel><title>x').broken


def test_an_empty_feed_is_a_feed() -> None:
    assert read(rss([])).entries == ()


def test_only_so_many_entries_are_kept_and_they_are_the_newest() -> None:
    items = [Item(title=f"n{day}", date=f"{day:02} Nov 2026 10:00:00 GMT") for day in range(1, 11)]
    feed = read(rss(items), most=3)
    assert [entry.title for entry in feed.entries] == ["n8", "n9", "n10"]
    assert feed.left_out == 7


def test_fields_are_capped() -> None:
    feed = read(
        rss([Item(title="t" * 5_000, guid="g" * 5_000, text="word " * 100_000, link="http://e.org/" + "x" * 9_000)])
    )
    (entry,) = feed.entries
    assert (len(entry.title), len(entry.guid)) == (500, 2_048)
    assert len(entry.text) <= 50_000
    assert entry.url == ""


def test_an_item_without_title_is_headed_by_what_it_says() -> None:
    (entry,) = read(rss([Item(text="The mayor resigned. " * 20)])).entries
    assert entry.title.startswith("The mayor resigned.")
    assert entry.title.endswith("…")


def test_a_link_that_is_no_web_address_is_dropped() -> None:
    (entry,) = read(rss([Item(title="x", link="javascript:alert(1)", guid="g")])).entries
    assert entry.url == ""


def test_a_guid_stays_the_same_wherever_the_feed_is_read() -> None:
    body = rss([Item(title="x", guid="17")])
    assert read(body, url="http://a.example/f").entries == read(body, url="https://b.example/g/h").entries


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=200))
def test_any_text_in_any_field_gives_lines_without_control_characters(title: str, link: str, text: str) -> None:
    keep = {"Cc", "Cs"}
    body = rss([Item(title="x", guid="1"), Item(title=title, link=link, text=text)]).decode("utf-8", "replace").encode()
    parsed = parse(body, URL, {}, max_entries=10)
    if isinstance(parsed, ParsedFeed):
        for entry in parsed.entries:
            assert "\n" not in entry.title
            assert not {c for c in entry.text if unicodedata.category(c) in keep} - {"\n"}
            assert entry.url == "" or entry.url.startswith(("http://", "https://"))


@pytest.mark.parametrize(
    "half", ["&#xD800;", "&#55357;&#56832;", "&#x000DFFF", "&#x110000;", "&#99999999999999999999;"]
)
@pytest.mark.parametrize("part", ["title", "guid", "link", "description"])
def test_a_reference_to_what_is_no_character_costs_nothing_but_itself(half: str, part: str) -> None:
    feed = read(
        f"<rss version='2.0'><channel><title>a{half}</title><item><title>first</title><{part}>https://valley.example/{half}"
        f"</{part}></item><item><title>second</title></item></channel></rss>".encode()
    )
    assert feed.entries[-1].title == "second"
    assert len(feed.entries) == 2
    json.dumps(asdict(feed), ensure_ascii=False).encode()


def test_a_reference_to_a_character_stays_as_it_is() -> None:
    body = (
        "<rss version='2.0'><channel><item><title>&#8364; &#x1F600; &#xFFFD; &#0038;amp;</title></item></channel></rss>"
    )
    assert read(body.encode()).entries[0].title == "\u20ac \U0001f600 \ufffd &"
