"""A cross-encoder of random weights, a few hundred kilobytes, made on the spot."""

import string
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def save_cross_encoder(folder: Path, *, labels: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    words = [*SPECIAL, *string.ascii_lowercase, *(f"##{letter}" for letter in string.ascii_lowercase)]
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        num_labels=labels,
        initializer_range=0.5,  # else all texts get nearly the same number
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    BertTokenizerFast(vocab=dict(zip(words, range(len(words)), strict=True)), model_max_length=64).save_pretrained(
        folder
    )
    return folder
