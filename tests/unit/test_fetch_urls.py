import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.fetch.urls import canonical, host_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTP://Www.Example.ORG:80/News#top", "http://www.example.org/News"),
        ("https://example.org:443", "https://example.org/"),
        ("https://example.org:8443/a", "https://example.org:8443/a"),
        ("https://user:pw@example.org/a", "https://example.org/a"),
        ("https://example.org./a", "https://example.org/a"),
        ("https://münchen.example/ü?q=ü", "https://xn--mnchen-3ya.example/%C3%BC?q=%C3%BC"),
        (" https://example.org/a b\n c ", "https://example.org/a%20b%20c"),
        ("https://example.org/%7euser/%e2%82%ac/100%", "https://example.org/~user/%E2%82%AC/100%25"),
        ("http://[2001:DB8::1]:80/x", "http://[2001:db8::1]/x"),
    ],
)
def test_two_spellings_of_one_page_become_one(url: str, expected: str) -> None:
    assert canonical(url) == expected


@pytest.mark.parametrize(
    "tracker", ["utm_source=rss", "fbclid=x", "gclid=1", "UTM_Medium=y", "at_medium=RSS", "mc_cid=7"]
)
def test_trackers_are_stripped(tracker: str) -> None:
    assert canonical(f"https://example.org/a?{tracker}&id=7") == "https://example.org/a?id=7"
    assert canonical(f"https://example.org/a?{tracker}") == "https://example.org/a"


@pytest.mark.parametrize(
    "query",
    ["id=7", "p=123", "article=1", "story=x", "page=2", "v=abc", "ref=home", "source=7", "s=1", "from=2", "q=", "flag",
     "b=2&a=1&b=3", "next=https://x.example/?utm_source=y", "t=1;u=2", "c=%26"],
)  # fmt: skip
def test_a_parameter_that_may_choose_the_page_is_never_touched(query: str) -> None:
    assert canonical(f"https://example.org/a?{query}") == f"https://example.org/a?{query}"


@pytest.mark.parametrize(
    "url",
    ["", "javascript:alert(1)", "ftp://example.org/", "mailto:a@example.org", "/relative", "http://", "http:///x",
     "https://exa mple.org/", "http://[::1", "http://example.org:99999999/", "data:text/html,x", "http://exa<mple.org/",
     "https://example.org/" + "x" * 5_000],
)  # fmt: skip
def test_what_is_no_web_address_is_empty(url: str) -> None:
    assert canonical(url) == ""


@given(st.text())
def test_garbage_never_raises(text: str) -> None:
    for url in (text, "http://" + text, "https://example.org/" + text):
        canonical(url)
        host_of(url)


@given(st.text(max_size=60), st.text(max_size=60))
def test_canonical_is_idempotent(path: str, query: str) -> None:
    once = canonical(f"https://example.org/{path}?{query}")
    assert canonical(once) == once


def test_the_source_is_the_host_without_www() -> None:
    assert host_of("https://WWW.Example.org:8080/a") == "example.org"
