"""The model itself; everything else is tested with a fake one."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from consumers.embedding import DEFAULT_SHA256, TextEmbedder, model_folder, open_embedder, weights_hash
from consumers.errors import ModelUnusable
from consumers.matcher import Matcher
from consumers.model import Article, Topic

TEXTS = Path(__file__).parents[1] / "data" / "matching"


@pytest.fixture(scope="session")
def embedder() -> TextEmbedder:
    return open_embedder(device="cpu")


def test_rows_are_unit_float32_in_the_order_given(embedder: TextEmbedder):
    texts = ["a bridge fell", "wheat is cheap and there is plenty of it this year", "a bridge fell", ""]
    rows = embedder.encode(texts)
    assert (rows.shape, rows.dtype) == ((4, 384), np.float32)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(rows[0], rows[2])
    assert np.allclose(embedder.encode(["a bridge fell"])[0], rows[0], atol=1e-5)


def test_near_meanings_are_near(embedder: TextEmbedder):
    query = embedder.encode_queries(["bridge collapse"])[0]
    near, far = embedder.encode(["A viaduct has fallen into the river", "Wheat exports rise"]) @ query
    assert near > far + 0.2


def test_no_texts_give_no_rows_of_the_same_width(embedder: TextEmbedder):
    rows = embedder.encode([])
    assert (rows.shape, rows.dtype) == ((0, 384), np.float32)


def test_hostile_texts_are_embedded_like_any_other(embedder: TextEmbedder):
    rows = embedder.encode(["x" * 3_000_000, "\ud800 half a character", "\x00\x1b[2J", "word " * 500_000])
    assert np.isfinite(rows).all()


def test_the_model_names_its_weights(embedder: TextEmbedder):
    assert embedder.model_id == f"all-MiniLM-L6-v2@{DEFAULT_SHA256[:12]}"
    assert weights_hash(model_folder("all-MiniLM-L6-v2")) == DEFAULT_SHA256


def test_a_folder_with_a_model_can_be_named(embedder: TextEmbedder, tmp_path: Path):
    folder = tmp_path / "mine"
    folder.symlink_to(model_folder("all-MiniLM-L6-v2"))
    other = open_embedder(str(folder), "cpu")
    assert other.model_id == f"mine@{DEFAULT_SHA256[:12]}"
    assert np.allclose(other.encode(["a bridge fell"]), embedder.encode(["a bridge fell"]), atol=1e-5)


def test_a_name_that_is_no_model_is_refused_with_what_to_do(tmp_path: Path):
    with pytest.raises(ModelUnusable, match=r"\[model\]"):
        open_embedder(str(tmp_path))


def test_missing_or_broken_weights_are_refused(tmp_path: Path):
    (tmp_path / "modules.json").write_text(json.dumps([]))
    with pytest.raises(ModelUnusable, match="cannot be read"):
        open_embedder(str(tmp_path))
    (tmp_path / "modules.json").write_text("not JSON")
    (tmp_path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ModelUnusable, match="cannot be loaded"):
        open_embedder(str(tmp_path))


def test_importing_the_embedder_does_not_import_torch():
    code = "import sys, consumers.matcher; sys.exit(bool({'torch', 'faiss', 'transformers'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- the project's main example


def articles(folder: str) -> list[Article]:
    """Each text in full, and as much of it as a feed's summary shows."""
    return [_article(path, most) for path in sorted((TEXTS / folder).glob("*.txt")) for most in (10_000, 250)]


def _article(path: Path, most: int) -> Article:
    title, _, text = path.read_text(encoding="utf-8").partition("\n")
    return Article(id=f"{path.stem} {most}", feed_id="f", source="s", title=title, text=text[:most], seen=0.0)


@pytest.fixture(scope="module")
def matcher(embedder: TextEmbedder) -> Matcher:
    made = Matcher(embedder)
    made.apply({"syria": Topic(id="syria", query="Russian airstrikes Syria")})
    return made


def test_reports_of_the_air_strikes_match_in_full_and_as_summaries(matcher: Matcher):
    judged = matcher.match(articles("airstrikes"))
    assert judged
    assert [each.article.id for each in judged if not each.matches] == []


def test_other_wars_other_places_and_other_news_stay_quiet(matcher: Matcher):
    judged = matcher.match(articles("other"))
    assert judged
    # the same two countries in peace still match: words and vectors agree too much before there is an archive
    assert {each.article.id.split()[0] for each in judged if each.matches} <= {"aid"}
