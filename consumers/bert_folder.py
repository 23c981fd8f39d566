"""What a model folder says about itself, where the packed pass can do all of it.

Whatever is not known here is refused with ``NotPacked``, so that sentence-transformers does it: a model that is read
almost right gives vectors that look like any others.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FAMILIES: Mapping[str, bool] = {"bert": False, "roberta": True, "xlm-roberta": True}  # positions count from the padding
POOLINGS = ("mean", "cls")
TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
HARMLESS: Mapping[str, Sequence[object]] = {  # of sentence_bert_config.json, and what says nothing new
    "do_lower_case": (False, None),
    "transformer_task": ("feature-extraction",),
    "modality_config": (TEXT_ONLY,),
    "module_output_name": ("token_embeddings",),
    "unpad_inputs": (None, False, True),
    **dict.fromkeys(("model_args", "tokenizer_args", "config_args"), ({}, None)),
    **dict.fromkeys(("model_kwargs", "processor_kwargs", "config_kwargs", "processing_kwargs"), ({}, None)),
}


class NotPacked(Exception):
    """The packed pass does not do what this folder asks for. The message says what it is."""


@dataclass(frozen=True)
class Bert:
    """``window`` is the most tokens of a text. ``padding`` is the token id that positions count from, if they do."""

    layers: int
    heads: int
    hidden: int
    eps: float
    padding: int | None
    window: int
    pooling: str
    prompts: Mapping[str, str]

    @property
    def positions(self) -> int:
        """How many the longest text needs."""
        return self.window + (0 if self.padding is None else self.padding + 1)


def read_bert(folder: Path) -> Bert:
    """Raises ``NotPacked``."""
    config = _settings(folder / "config.json")
    _modules(folder)
    if (folder / "adapter_config.json").exists():
        raise NotPacked("it has an adapter")
    family = str(config.get("model_type"))
    if family not in FAMILIES:
        raise NotPacked(f"its architecture is {family}")
    _expect(config, "position_embedding_type", "absolute", None)
    _expect(config, "hidden_act", "gelu")
    _expect(config, "is_decoder", False, None)
    _expect(config, "add_cross_attention", False, None)
    _expect(config, "quantization_config", None)
    _expect(config, "embedding_size", None, config.get("hidden_size"))
    padding = config.get("pad_token_id", 1) if FAMILIES[family] else None
    first = 0 if padding is None else padding + 1
    try:
        return Bert(
            layers=int(config["num_hidden_layers"]),
            heads=int(config["num_attention_heads"]),
            hidden=int(config["hidden_size"]),
            eps=float(config.get("layer_norm_eps", 1e-12)),
            padding=padding,
            window=_window(folder, int(config["max_position_embeddings"]) - first),
            pooling=_pooling(folder, int(config["hidden_size"])),
            prompts=_prompts(folder),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise NotPacked(f"config.json lacks a number: {error}") from error


def _modules(folder: Path) -> None:
    modules = _json(folder / "modules.json")
    if not isinstance(modules, list) or not all(isinstance(each, dict) for each in modules):
        raise NotPacked("modules.json is no list of modules")
    found = [(str(each.get("type")).split(".")[0], str(each.get("type")).split(".")[-1]) for each in modules]
    wanted = [("sentence_transformers", name) for name in ("Transformer", "Pooling", "Normalize")]
    if found not in (wanted, wanted[:2]):  # rows are made unit ones either way
        raise NotPacked(f"its modules are {', '.join(name for _, name in found)}")
    if [each.get("path") for each in modules[:2]] != ["", "1_Pooling"]:
        raise NotPacked("its modules lie in other folders")
    if len(modules) == 3 and (normalize := folder / str(modules[2].get("path")) / "config.json").exists():
        for key in ("module_input_name", "module_output_name"):
            _expect(_settings(normalize), key, "sentence_embedding", None)


def _pooling(folder: Path, hidden: int) -> str:
    config = _settings(folder / "1_Pooling" / "config.json")
    _expect(config, "include_prompt", True, None)
    _expect(config, "word_embedding_dimension", hidden, None)
    _expect(config, "embedding_dimension", hidden, None)
    mode = config.get("pooling_mode")
    if mode is None:
        old = [
            key.removeprefix("pooling_mode_") for key, on in config.items() if key.startswith("pooling_mode_") and on
        ]
        mode = old[0].removesuffix("_token").removesuffix("_tokens") if len(old) == 1 else ", ".join(old)
    if mode not in POOLINGS:
        raise NotPacked(f"its pooling is {mode}")
    return str(mode)


def _window(folder: Path, positions: int) -> int:
    config = _settings(folder / "sentence_bert_config.json")
    for key, value in config.items():
        if key != "max_seq_length" and value not in HARMLESS.get(key, ()):
            raise NotPacked(f"{key} of sentence_bert_config.json is not known")
    tokenizer = _settings(folder / "tokenizer_config.json")
    _expect(tokenizer, "truncation_side", "right", None)
    named = config.get("max_seq_length")
    window = min(int(tokenizer.get("model_max_length") or positions), positions) if named is None else int(named)
    if not 2 < window <= positions:
        raise NotPacked(f"its window of {window} tokens has {positions} positions")
    return window


def _prompts(folder: Path) -> dict[str, str]:
    path = folder / "config_sentence_transformers.json"
    prompts = _settings(path).get("prompts") or {} if path.exists() else {}
    return {str(name): str(prompt or "") for name, prompt in prompts.items()}


def _expect(config: Mapping[str, Any], key: str, *values: object) -> None:
    if (found := config.get(key)) not in values:
        raise NotPacked(f"{key} is {found}")


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotPacked(f"{path.name} cannot be read") from error


def _settings(path: Path) -> dict[str, Any]:
    found = _json(path)
    if not isinstance(found, dict):
        raise NotPacked(f"{path.name} holds no settings")
    return found
