import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from daemon.fetch.text import plain, shortened, tidy


def test_paragraphs_and_breaks_survive_and_tags_do_not() -> None:
    assert plain("<p>One <b>bold</b> word</p><div>two<br/>lines</div>") == "One bold word\n\ntwo\nlines"


def test_line_ends_of_the_source_mean_nothing() -> None:
    assert plain("<p>one\n   two</p>") == "one two"


def test_scripts_styles_and_frames_go_with_their_content() -> None:
    hostile = (
        "a<script>alert(1)</script><style>b{}</style><iframe>c</iframe><svg><text>d</text></svg><template>e</template>z"
    )
    assert plain(hostile) == "az"


def test_unclosed_and_nested_markup_leaves_no_tag() -> None:
    assert plain("<scr<script>ipt>alert(1)</script>x<img src=x onerror=alert(1)//>y") == "ipt>alert(1)xy"


def test_entities_are_decoded_once() -> None:
    assert plain("AT&amp;T &lt;b&gt; &amp;lt; &#8217;") == "AT&T <b> &lt; ’"


def test_what_nobody_sees_is_dropped() -> None:
    assert tidy("a\x00b\x1b[31mc\u202egnp\u2066d\u200be\ufeff\U000e0041f\x9bg\ud800") == "ab[31mcgnpdefg"


def test_joiners_that_spell_words_are_kept() -> None:
    assert tidy("می\u200cخواهم") == "می\u200cخواهم"


def test_spaces_collapse_and_paragraphs_are_separated_by_one_blank_line() -> None:
    assert tidy("  a\u00a0\t b \r\n\r\n\r\n\n c\u2028d ") == "a b\n\nc\nd"


def test_a_cut_is_made_between_words_and_marked() -> None:
    assert shortened("one two three four", 12) == "one two…"
    assert shortened("short", 12) == "short"
    assert len(shortened("x" * 50, 12)) == 12


@given(st.text())
def test_nothing_invisible_survives_anywhere(text: str) -> None:
    for clean in (plain(text), tidy(text)):
        assert not {c for c in clean if unicodedata.category(c) in ("Cc", "Cs")} - {"\n"}
        assert clean == clean.strip()
        clean.encode("utf-8")


@given(st.text())
def test_tidying_twice_changes_nothing(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)
