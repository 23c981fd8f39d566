"""The packed pass against sentence-transformers, which is always right."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import consumers.reference_encoder  # noqa: F401 - first: it keeps the libraries from looking for a hub
from consumers.bert_folder import NotPacked, read_bert
from consumers.embedding import SentenceTransformerEmbedder, TextEmbedder, agree, model_folder, open_embedder
from consumers.packed_encoder import PackedEncoder, worth_it

FOLDER = model_folder("all-MiniLM-L6-v2")
SAME = 0.9995
WORDS = "storm bridge officials said the river over Brücken Élodie 東京 12,5 % [SEP] don't co-operate e\u0301".split()
HOSTILE = [
    "",
    " \t\r\n\u2028",
    "\x00\x1b[2J\ufffd\u200b\u202e",
    "[PAD] [MASK] [CLS] [SEP] [UNK]",
    "a" * 5_000,
    "!" * 3_000,
    "ﷺ" * 700,
    "木" * 900,
    "e" + "\u0301" * 2_000,
    "\U0001f469\u200d\U0001f469\u200d\U0001f467" * 300,
    "<s></s> ## ##ing Ünïcödé ǅ ß ﬁ İ ı",
    "0 1 2 3 " * 400,
    *(" ".join(WORDS[n % len(WORDS)] for n in range(count)) for count in (1, 2, 31, 120, 253, 254, 255, 256, 257, 700)),
]


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def packed(request: pytest.FixtureRequest) -> PackedEncoder:
    import torch

    return PackedEncoder(FOLDER, "cpu", getattr(torch, request.param))


@pytest.fixture(scope="module")
def library() -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """``SentenceTransformer.encode`` as anybody calls it."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(FOLDER), device="cpu")
    return lambda texts: np.asarray(model.encode(list(texts), normalize_embeddings=True), dtype=np.float32)


Library = Callable[[Sequence[str]], NDArray[np.float32]]


def cosines(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.sum(one * other, axis=1))


def test_hostile_texts_and_all_lengths_get_the_vectors_of_the_library(packed: PackedEncoder, library: Library):
    rows = packed.rows(HOSTILE)
    assert (rows.shape, rows.dtype) == ((len(HOSTILE), 384), np.float32)
    assert np.abs(np.linalg.norm(rows, axis=1) - 1).max() < 1e-5
    assert cosines(rows, library(HOSTILE)).min() >= SAME


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(
        st.one_of(
            st.text(max_size=400),
            st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=12)), max_size=90).map(" ".join),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_text_gets_the_vector_of_the_library(packed: PackedEncoder, library: Library, texts: list[str]):
    assert cosines(packed.rows(texts), library(texts)).min() >= SAME


def test_a_row_does_not_depend_on_the_texts_beside_it_nor_on_their_order(packed: PackedEncoder):
    alone = np.concatenate([packed.rows([text]) for text in HOSTILE])

    @settings(max_examples=10, deadline=None)
    @given(order=st.permutations(range(len(HOSTILE))), count=st.integers(2, len(HOSTILE)))
    def beside(order: list[int], count: int) -> None:
        some = order[:count]
        assert np.abs(packed.rows([HOSTILE[n] for n in some]) - alone[some]).max() <= 1e-5

    beside()


def test_the_default_model_on_a_cpu_needs_no_library_to_run():
    code = (
        "import sys\nfrom consumers.embedding import open_embedder\n"
        "made = open_embedder(device='cpu')\nmade.encode(['a bridge fell'])\n"
        "print(made.path)\nsys.exit(bool({'transformers', 'sentence_transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()[0]) == (0, "packed"), done.stderr


def test_bfloat16_is_taken_only_where_it_is_clearly_faster_and_the_same():
    assert worth_it(exact=1.2, short=0.99, cosine=0.9996)
    assert not worth_it(exact=1.2, short=1.01, cosine=0.9996)
    assert not worth_it(exact=3.0, short=1.0, cosine=0.9994)


# -- each text once


class Counting:
    """One number a text, and the calls."""

    dimension = 2
    path = "counting"

    def __init__(self, prompts: Mapping[str, str] | None = None, turn: float = 0.0) -> None:
        self.prompts = prompts or {}
        self.seen: list[list[str]] = []
        self._turn = turn

    def rows(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.seen.append(list(texts))
        angles = np.array([len(text) / 100 + self._turn for text in texts], dtype=np.float32)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_a_text_is_embedded_once_within_and_across_calls():
    encoder = Counting()
    embedder = TextEmbedder(encoder, "m")
    first = embedder.encode(["a", "bb", "a"])
    again = embedder.encode(["ccc", "bb", "a"])
    assert encoder.seen == [["a", "bb"], ["ccc"]]
    assert np.array_equal(first[[1, 0]], again[1:])


def test_what_is_kept_of_former_calls_is_bounded():
    encoder = Counting()
    embedder = TextEmbedder(encoder, "m", kept_bytes=2 * 2 * 4)
    embedder.encode(["a", "bb"])
    embedder.encode(["a"])  # used again: younger than "bb"
    embedder.encode(["ccc"])
    embedder.encode(["a", "ccc", "bb"])
    assert encoder.seen == [["a", "bb"], ["ccc"], ["bb"]]


def test_queries_and_articles_with_different_prompts_are_not_taken_for_each_other():
    encoder = Counting({"query": "query: ", "passage": "passage: "})
    embedder = TextEmbedder(encoder, "m")
    embedder.encode(["a"])
    embedder.encode_queries(["a"])
    assert encoder.seen == [["passage: a"], ["query: a"]]


# -- other models


def test_two_ways_agree_only_where_every_vector_and_the_prompts_are_the_same():
    assert agree(Counting(), Counting(turn=0.02))
    assert not agree(Counting(), Counting(turn=0.04))
    assert not agree(Counting(), Counting({"query": "query: "}))


def tiny(folder: Path, family: str, *, more: Sequence[Any] = (), **settings: Any) -> Path:
    """A model of random weights, saved by sentence-transformers. Its vectors differ between texts as real ones do."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules.transformer import Transformer
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(3)
    raw = folder / "raw"
    tokenizer = _tokenizer(family)
    tokenizer.save_pretrained(raw)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    if family == "distilbert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
    AutoModel.from_config(
        AutoConfig.for_model(
            family,
            **{
                "vocab_size": len(tokenizer),
                "pad_token_id": tokenizer.pad_token_id,
                "max_position_embeddings": 68,
                "initializer_range": 0.4,
                **sizes,
                **settings,
            },
        )
    ).save_pretrained(raw)
    modules = [Transformer(str(raw)), Pooling(32, "cls" if family == "bert" else "mean"), *more]
    SentenceTransformer(modules=modules, device="cpu", prompts={"query": "river: "}).save(str(folder / "tiny"))
    return folder / "tiny"


def _tokenizer(family: str) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = "<s> <pad> </s> <unk> <mask>" if family == "xlm-roberta" else "[CLS] [PAD] [SEP] [UNK] [MASK]"
    first, padding, last, unknown, mask = special.split()
    made = Tokenizer(models.WordPiece(unk_token=unknown))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=special.split())
    made.train_from_iterator([" ".join(WORDS), "abcdefghijklmnopqrstuvwxyz 0123456789 : river"], trainer)
    ends = [(token, made.token_to_id(token)) for token in (first, last)]
    made.post_processor = processors.TemplateProcessing(single=f"{first} $A {last}", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        cls_token=first,
        sep_token=last,
        pad_token=padding,
        unk_token=unknown,
        mask_token=mask,
        model_max_length=64,
    )


@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_another_bert_is_computed_by_the_packed_pass_with_the_same_vectors(tmp_path: Path, family: str):
    folder = tiny(tmp_path, family)
    ours, reference = open_embedder(str(folder), "cpu"), SentenceTransformerEmbedder(str(folder), "cpu")
    assert ours.path.startswith("packed ")
    assert ours.model_id == reference.model_id
    texts = [*HOSTILE, "river <pad> [PAD] bridge"]
    rows = ours.encode(texts)
    assert (rows @ rows.T).min() < 0.5  # these vectors could differ
    assert cosines(rows, reference.encode(texts)).min() >= SAME
    assert cosines(ours.encode_queries(texts), reference.encode_queries(texts)).min() >= SAME
    assert cosines(ours.encode_queries(["bridge"]), rows[:1])[0] < SAME  # the prompt counts


def test_an_unknown_architecture_is_left_to_the_library(tmp_path: Path):
    embedder = open_embedder(str(tiny(tmp_path, "distilbert")), "cpu")
    assert embedder.path.startswith("sentence-transformers on cpu")
    assert embedder.path.endswith("its architecture is distilbert")
    assert np.isfinite(embedder.encode(HOSTILE)).all()


def test_a_further_module_is_left_to_the_library(tmp_path: Path):
    from sentence_transformers.base.modules import Dense

    embedder = open_embedder(str(tiny(tmp_path, "bert", more=[Dense(32, 8)])), "cpu")
    assert "Dense" in embedder.path
    assert embedder.encode(["a bridge fell"]).shape == (1, 8)


def test_a_model_that_the_packed_pass_reads_otherwise_than_the_library_is_left_to_it(tmp_path: Path):
    folder = tiny(tmp_path, "bert")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    # a tokeniser of this class is built from these settings, whatever tokenizer.json says
    settings |= {"tokenizer_class": "BertTokenizer", "do_lower_case": False}
    path.write_text(json.dumps(settings), encoding="utf-8")
    embedder = open_embedder(str(folder), "cpu")
    assert embedder.path.startswith("sentence-transformers on cpu")
    assert embedder.path.endswith("other vectors")


def test_a_tokenizer_with_more_tokens_than_weights_is_refused(tmp_path: Path):
    folder = tmp_path / "m"
    shutil.copytree(FOLDER, folder)
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["added_tokens"].append(tokenizer["added_tokens"][0] | {"id": 30_522, "content": "[NEW]"})
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    with pytest.raises(NotPacked, match="tokens"):
        PackedEncoder(folder, "cpu")


def test_weights_of_other_sizes_than_the_settings_are_refused(tmp_path: Path):
    folder = tmp_path / "m"
    shutil.copytree(FOLDER, folder)
    path = folder / "config.json"
    for wrong in ({"num_attention_heads": 7}, {"num_hidden_layers": 7}):
        path.write_text(
            json.dumps(json.loads((FOLDER / "config.json").read_text(encoding="utf-8")) | wrong), encoding="utf-8"
        )
        with pytest.raises(NotPacked, match="weights"):
            PackedEncoder(folder, "cpu")


@pytest.mark.parametrize(
    ("file", "change", "reason"),
    [
        ("config.json", {"model_type": "mpnet"}, "mpnet"),
        ("config.json", {"hidden_act": "relu"}, "hidden_act"),
        ("config.json", {"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ("config.json", {"num_hidden_layers": None}, "lacks"),
        ("config.json", {"quantization_config": {"bits": 8}}, "quantization_config"),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, "pooling"),
        ("1_Pooling/config.json", {"include_prompt": False}, "include_prompt"),
        ("sentence_bert_config.json", {"max_seq_length": 600}, "window"),
        ("sentence_bert_config.json", {"do_lower_case": True}, "do_lower_case"),
        ("sentence_bert_config.json", {"query_expansion": {"length": 32}}, "query_expansion"),
        ("tokenizer_config.json", {"truncation_side": "left"}, "truncation_side"),
    ],
)
def test_a_setting_that_the_packed_pass_does_not_know_is_refused(
    tmp_path: Path, file: str, change: dict[str, Any], reason: str
):
    shutil.copytree(FOLDER, tmp_path / "m", ignore=shutil.ignore_patterns("*.safetensors"))
    changed = tmp_path / "m" / file
    assert read_bert(tmp_path / "m").window == 256
    changed.write_text(json.dumps(json.loads(changed.read_text(encoding="utf-8")) | change), encoding="utf-8")
    with pytest.raises(NotPacked, match=reason):
        read_bert(tmp_path / "m")
