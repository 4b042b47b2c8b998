"""The frozen blocks of an encoder, run once over a catalogue: token states, packed and kept."""

from dataclasses import dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tcf._util import hash_json
from tcf.data.location import cache_folder
from tcf.encode.backends.arrays import is_vector_file
from tcf.encode.backends.files import is_sentence_transformer, locate
from tcf.encode.backends.hf import Transformer
from tcf.encode.backends.processor import pick_device, pick_dtype
from tcf.encode.backends.tokens import TokenlessTextError, Tokens
from tcf.encode.backends.words import is_word_vector_file
from tcf.encode.embeddings import joined
from tcf.encode.encoders import resolve
from tcf.encode.progress import LazyBar
from tcf.encode.spec import EncoderSpec, Pooling
from tcf.encode.store import FORMAT_VERSION, VectorStore, Writer
from tcf.encode.texts import as_texts, distinct
from tcf.errors import EncoderError

if TYPE_CHECKING:
    from tcf.data.catalog import Catalog

__all__ = ["TrunkStates", "encode_trunk"]

StateDtype = Literal["float16", "float32"]
_STATIC = ("tfidf-svd", "hashed-ngrams")


@dataclass(frozen=True, eq=False)
class TrunkStates:
    """What enters the first tuned block of an encoder, for every token of a catalogue's texts.

    Attributes:
        item_ids: ``(N,)`` the ids, all different.
        texts: ``(N,)`` int, which of the distinct texts each item has.
        tokens: Of the distinct texts.
        folder: The encoder's files.
        first: The first tuned block, from 0.
        pooling: How the states that leave the last block become a vector.
        trust_remote_code: As in `EncoderSpec`.
        manifest: ``name``, ``parameters`` of the whole encoder, and all that the key was hashed
            from.
        key: Hex digest of everything that shapes the states and how they are pooled.
        parts: Packed states, ``(tokens, E)`` each; a path is mapped when it is first read.
        part, start: ``(distinct texts,)`` int, where the states of each text begin.
    """

    item_ids: tuple[str, ...]
    texts: np.ndarray
    tokens: Tokens
    folder: Path
    first: int
    pooling: Pooling
    trust_remote_code: bool
    manifest: dict[str, Any]
    key: str
    parts: list[Path | np.ndarray]
    part: np.ndarray
    start: np.ndarray

    @property
    def width(self) -> int:
        """Floats in a state."""
        return self._maps[0].shape[1]

    def text_of_row(self, catalog: "Catalog") -> np.ndarray:
        """Return ``(num_items + 1,)`` int, the text of each row; -1 for the padding row.

        Raises:
            DataError: If the catalogue holds other items.
        """
        return np.concatenate(([-1], self.texts[joined(self.item_ids, catalog)]))

    def read(self, texts: np.ndarray) -> np.ndarray:
        """Return the ``(tokens of those texts, E)`` states, text by text.

        Args:
            texts: ``(B,)`` int, distinct texts.
        """
        lengths = self.tokens.lengths[texts]
        ends = np.cumsum(lengths)
        rows = np.arange(ends[-1]) + np.repeat(self.start[texts] - (ends - lengths), lengths)
        parts = np.repeat(self.part[texts], lengths)
        used = np.unique(parts)
        if len(used) == 1:
            return self._maps[used[0]][rows]
        states = np.empty((len(rows), self.width), self._maps[0].dtype)
        for number in used:
            here = parts == number
            states[here] = self._maps[number][rows[here]]
        return states

    @cached_property
    def _maps(self) -> list[np.ndarray]:
        return [
            np.load(part, mmap_mode="r", allow_pickle=False) if isinstance(part, Path) else part
            for part in self.parts
        ]

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_maps"}


def encode_trunk(
    catalog: "Catalog",
    *,
    encoder: str | Path | EncoderSpec,
    num_tuned_layers: int | None,
    pooling: Pooling | None = None,
    max_tokens: int = 30,
    prompt: str = "{text}",
    dtype: str = "auto",
    states: StateDtype = "float16",
    device: str | None = None,
    batch_tokens: int | Literal["auto"] = "auto",
    cache: str | PathLike[str] | None = None,
    progress: bool = True,
) -> TrunkStates:
    """Run the blocks of an encoder that stay frozen over a catalogue, or find what they made.

    Args:
        catalog: Items with their texts.
        encoder: As in `encode_items`; a language model.
        num_tuned_layers: Blocks above, which will be tuned; None: all of them, so that nothing but
            the embeddings is frozen.
        pooling: As in `encode_items`; None is the mean.
        max_tokens, prompt, device, batch_tokens, cache, progress: As in `encode_items`.
        dtype: Number format that the frozen blocks compute in, as in `encode_items`.
        states: Number format in which states are kept.

    Returns:
        States, mapped from the cache, or in memory where there is none.

    Raises:
        EncoderError: If the encoder has no blocks, or fewer than are to be tuned, or its states do
            not fit into ``states``.
        ValueError: If a setting or a text has no meaning.
        CacheError: If the cache cannot be used.
    """
    _refuse_what_has_no_blocks(encoder)
    spec = resolve(encoder, pooling=pooling, max_tokens=max_tokens, prompt=prompt, dtype=dtype)
    folder = _folder(spec)
    first = _first_tuned(folder, spec, num_tuned_layers)
    plain = as_texts(dict(zip(catalog.item_ids, catalog.texts, strict=True)))
    final = [spec.prompt.replace("{text}", text) for text in plain]
    hashes, firsts, places = distinct(final)
    kept, device = cache_folder(cache), pick_device(device)
    model = Transformer(
        folder,
        layers=[first],
        max_tokens=spec.max_tokens,
        device=device,
        dtype=pick_dtype(spec.dtype, device),
        batch_tokens=batch_tokens,
        memory=kept and kept / "hashes",
        trust_remote_code=spec.trust_remote_code,
    )
    ingredients = {
        "format_version": FORMAT_VERSION,
        "encoder": {**model.identity, "layer": first, "pooling": "token states"},
        "prompt": spec.prompt,
        "store_dtype": states,
    }
    tokens = _tokens(folder, spec, [final[n] for n in firsts], catalog, firsts)
    packed = _Packed(hashes, tokens.lengths)
    parameters = _fill(
        packed, tokens, model, spec, kept and VectorStore(kept, ingredients), states, progress
    )
    how: Pooling = spec.pooling or "mean"
    return TrunkStates(
        item_ids=tuple(catalog.item_ids),
        texts=places,
        tokens=tokens,
        folder=folder,
        first=first,
        pooling=how,
        trust_remote_code=spec.trust_remote_code,
        manifest={"name": spec.display_name, "parameters": parameters, **ingredients},
        key=hash_json({**ingredients, "pooling": how}),
        parts=packed.parts,
        part=packed.part,
        start=packed.start,
    )


class _Packed:
    """Where the states of each distinct text lie.

    Args:
        hashes: ``(n,)`` S32, digest of each text.
        lengths: ``(n,)`` tokens of each.
    """

    def __init__(self, hashes: np.ndarray, lengths: np.ndarray) -> None:
        self.hashes, self.lengths = hashes, lengths
        self.parts: list[Path | np.ndarray] = []
        self.part, self.start = np.full(len(hashes), -1), np.zeros(len(hashes), np.int64)

    @property
    def missing(self) -> np.ndarray:
        """Texts whose states are nowhere yet."""
        return np.flatnonzero(self.part < 0)

    def find(self, store: VectorStore) -> None:
        """Note what a store holds; it names each text once a token, one after the other."""
        order = np.argsort(self.hashes)
        for digests, states in store.shards():
            begins = np.flatnonzero(np.r_[True, digests[1:] != digests[:-1]])
            lengths = np.diff(np.r_[begins, len(digests)])
            place = np.searchsorted(self.hashes, digests[begins], sorter=order)
            texts = order[np.minimum(place, len(order) - 1)]
            ours = (self.hashes[texts] == digests[begins]) & (self.lengths[texts] == lengths)
            texts, begins = texts[ours], begins[ours]
            new = self.part[texts] < 0
            self._put(texts[new], begins[new], Path(str(states.filename)))  # type: ignore[attr-defined]

    def add(self, texts: np.ndarray, states: np.ndarray) -> None:
        """Note states that are in memory alone."""
        lengths = self.lengths[texts]
        self._put(texts, np.cumsum(lengths) - lengths, states)

    def _put(self, texts: np.ndarray, begins: np.ndarray, where: Path | np.ndarray) -> None:
        if len(texts):
            self.part[texts], self.start[texts] = len(self.parts), begins
            self.parts.append(where)


def _fill(
    packed: _Packed,
    tokens: Tokens,
    model: Transformer,
    spec: EncoderSpec,
    store: VectorStore | None,
    states: StateDtype,
    progress: bool,
) -> dict[str, int]:
    """Find or make all states, and return the encoder's parameter counts."""
    if store is None:
        _make(packed, tokens, model, np.dtype(states), writer=None, progress=progress)
        return _parameters(spec)
    packed.find(store)
    if len(packed.missing):
        with store.writer() as writer:
            packed.find(store)  # another process may have made them while this one waited
            _make(packed, tokens, model, np.dtype(states), writer=writer, progress=progress)
        packed.find(store)
    known = store.parameters()
    if known is None:
        known = _parameters(spec)
        store.note(name=spec.display_name, parameters=known)
    return known


def _make(
    packed: _Packed,
    tokens: Tokens,
    model: Transformer,
    dtype: np.dtype,
    *,
    writer: Writer | None,
    progress: bool,
) -> None:
    from tcf.encode.backends.transformer import TransformerReader

    wanted = packed.missing
    if not len(wanted):
        return
    reader, layer = model.reader, model.layers[0]
    assert isinstance(reader, TransformerReader)
    with LazyBar(len(wanted), "Running the frozen blocks", shown=progress) as bar:
        for texts, made in reader.token_states(tokens, wanted, layer=layer):
            states = _narrowed(made.float().numpy(), dtype, layer=layer)
            if writer is None:
                packed.add(texts, states)
            else:
                writer.add(np.repeat(packed.hashes[texts], packed.lengths[texts]), states)
            bar.advance(len(texts))


def _narrowed(states: np.ndarray, dtype: np.dtype, *, layer: int) -> np.ndarray:
    if not np.isfinite(states).all():
        raise EncoderError(
            f"the states of block {layer} must be finite; some are not: try dtype='float32'"
        )
    largest = float(np.abs(states).max())
    if largest > float(np.finfo(dtype).max):
        raise EncoderError(
            f"the states of block {layer} must fit into {dtype}, up to "
            f"{np.finfo(dtype).max:g}; the largest is {largest:g}: use states='float32'"
        )
    return states.astype(dtype)


def _refuse_what_has_no_blocks(encoder: Any) -> None:
    what = None
    if is_vector_file(encoder):
        what = f"the file of vectors {encoder}"
    elif not isinstance(encoder, str | Path | EncoderSpec):
        what = f"an object of type {type(encoder).__name__}"
    else:
        name = encoder.name if isinstance(encoder, EncoderSpec) else str(encoder)
        if name in _STATIC or is_word_vector_file(name):
            what = f"the static encoder {name!r}"
    if what is not None:
        raise EncoderError(
            f"tuning, LoRA included, needs the blocks of a language model; {what} has none: "
            "name a model, or keep the vectors frozen"
        )


def _folder(spec: EncoderSpec) -> Path:
    if spec.quantization is not None:
        raise EncoderError(
            f"blocks are tuned in full precision; got quantization={spec.quantization!r} for "
            f"{spec.display_name}: leave it out, or keep the vectors frozen"
        )
    if spec.normalize or spec.layer != -1:
        raise ValueError(
            "a tuned encoder is read at its last layer and not normalised; got "
            f"layer={spec.layer}, normalize={spec.normalize}: leave both out"
        )
    folder = locate(spec.name, revision=spec.revision, code=spec.trust_remote_code)
    if spec.pooling is None and is_sentence_transformer(folder):
        raise EncoderError(
            f"{spec.display_name} is a sentence-transformers pipeline, of which the transformer "
            "alone can be tuned: name pooling= to read it so"
        )
    return folder


def _first_tuned(folder: Path, spec: EncoderSpec, num_tuned_layers: int | None) -> int:
    import torch

    from tcf.encode.backends.blocks import outline

    kind = {"dtype": torch.float32, "device": torch.device("cpu")}
    about = outline(folder, trust_remote_code=spec.trust_remote_code, **kind)
    depth = len(about.blocks)
    wanted = depth if num_tuned_layers is None else num_tuned_layers
    if not 1 <= wanted <= depth:
        raise EncoderError(
            f"{spec.display_name} has {depth} blocks, so num_tuned_layers must be within "
            f"1..{depth}; got {wanted}"
        )
    return depth - wanted


def _tokens(
    folder: Path, spec: EncoderSpec, texts: list[str], catalog: "Catalog", firsts: np.ndarray
) -> Tokens:
    from tcf.encode.backends.loading import load_tokenizer

    tokenizer = load_tokenizer(folder, trust_remote_code=spec.trust_remote_code)
    try:
        return Tokens.of(tokenizer, texts, max_tokens=spec.max_tokens)
    except TokenlessTextError as error:
        ids = [catalog.item_ids[firsts[position]] for position in error.positions[:5]]
        raise ValueError(
            f"every text must hold a token that {spec.display_name} can read; none in those of "
            f"the items {ids}"
        ) from error


def _parameters(spec: EncoderSpec) -> dict[str, int]:
    from tcf.encode.backends.blocks import count_unloaded

    folder = locate(spec.name, revision=spec.revision, code=spec.trust_remote_code)
    return count_unloaded(folder, -1, trust_remote_code=spec.trust_remote_code)
