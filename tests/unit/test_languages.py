"""Which language an article is in."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.languages import TOLD, declared, is_wanted, may_be_wanted, reads_as_english, told

SENTENCES = {
    "en": "The government announced new measures against the flood on Wednesday.",
    "de": "Die Bundesregierung hat am Mittwoch neue Hilfen für die Opfer der Flut beschlossen.",
    "fr": "Le gouvernement a annoncé mercredi de nouvelles mesures contre les inondations.",
    "es": "El gobierno anunció el miércoles nuevas medidas contra las inundaciones.",
    "pt": "O governo brasileiro anunciou hoje novas medidas contra as enchentes.",
    "ru": "Правительство объявило в среду о новых мерах против наводнения.",
    "uk": "Уряд оголосив у середу про нові заходи проти повені, повідомляють журналісти.",
    "ar": "أعلنت الحكومة يوم الأربعاء عن إجراءات جديدة لمواجهة الفيضانات",
    "zh": "中国政府星期三宣布了应对洪水的新措施,受灾地区的居民已经撤离到安全的地方。",
    "ja": "政府は水曜日、洪水に対する新たな対策を発表しました。被災地の住民は避難しています。",
    "tr": "Hükümet çarşamba günü sel felaketine karşı yeni önlemler açıkladı.",
    "el": "Η κυβέρνηση ανακοίνωσε την Τετάρτη νέα μέτρα κατά των πλημμυρών.",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_tells_its_language(language: str) -> None:
    assert told("", SENTENCES[language]) == language
    assert told(SENTENCES[language], "") == language


@pytest.mark.parametrize("text", ["", "Der Bundestag", "7.8 19 2026", "a" * 10_000, "\ud800" * 50, "Biden, Xi, Macron"])
def test_where_it_is_not_sure_it_says_nothing(text: str) -> None:
    assert told(text, "") == told("", text) == ""


def test_only_the_first_lines_are_read() -> None:
    assert told("", SENTENCES["en"] * 40 + SENTENCES["de"] * 1000) == "en"


@pytest.mark.parametrize(
    ("said", "language"), [("EN_us", "en-us"), (" de ", "de"), ("und", ""), ("mul", ""), ("zxx-x-none", ""), ("", "")]
)
def test_a_declared_language_in_one_spelling(said: str, language: str) -> None:
    assert declared(said) == language


@pytest.mark.parametrize(
    ("lang", "wanted", "is_one"),
    [
        ("pt-br", "pt", True),
        ("pt", "pt-br", True),
        ("pt-br", "pt-pt", False),
        ("zh-hant-tw", "zh-hant", True),
        ("zh-hant", "zh-hans", False),
        ("nn", "nb", True),
        ("iw", "he", True),
        ("e", "en", False),
        ("en-u", "en-us", False),
    ],
)
def test_a_language_takes_its_more_exact_forms(lang: str, wanted: str, is_one: bool) -> None:
    assert is_wanted(lang, ["xx", wanted]) is is_one


def test_a_guess_knows_no_regions_and_no_neighbours() -> None:
    assert may_be_wanted("pt", ["pt-br"])
    assert may_be_wanted("bs", ["hr"])
    assert not may_be_wanted("de", ["en", "fr"])


def test_a_language_that_cannot_be_told_is_never_refused_by_a_guess() -> None:
    assert "lb" not in TOLD
    assert may_be_wanted("de", ["lb"])


@given(st.text(st.characters()), st.text(st.characters()))
def test_any_text_has_one_of_the_languages_or_none(title: str, text: str) -> None:
    assert told(title, text) in {"", *TOLD}


def test_the_model_of_languages_is_loaded_only_when_a_text_is_asked() -> None:
    program = """
import sys
from consumers.gates import Gates
from consumers.model import Article, Topic
article = Article(id="a", feed_id="f", source="example.org", text="Eine ganze Menge Text, aber deklariert.", seen=0.0)
Gates(Topic(id="t", query="q", sources=("example.org",))).judge(article)
print("py3langid" in sys.modules)
Gates(Topic(id="t", query="q", languages=("en",))).judge(article)
print("py3langid" in sys.modules)
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert ended.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(
    ("text", "english"),
    [
        ("The ministry said that the aircraft had hit a depot near the city.", True),
        ("Ministry: aircraft hit depot", True),  # too short to tell
        ("Das Ministerium teilte mit, die Flugzeuge hätten ein Lager nahe der Stadt getroffen.", False),
        ("Le ministère a déclaré que les avions avaient frappé un dépôt près de la ville.", False),
        ("El ministerio dijo que los aviones habían atacado un depósito cerca de la ciudad.", False),
        ("Министерство заявило, что самолёты нанесли удар по складу недалеко от города.", False),
        ("", True),
    ],
)
def test_english_is_known_by_its_small_words(text: str, english: bool) -> None:
    assert reads_as_english("", text) is english
