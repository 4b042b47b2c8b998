"""`encode_items`: plan, look up what is known, encode the rest, keep it, hand back in order."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tcf._util import atomic_write, hash_json
from tcf.encode.backends.protocol import Backend
from tcf.encode.backends.resolve import make_backend, own_backend
from tcf.encode.backends.tokens import TokenlessTextError
from tcf.encode.embeddings import Embeddings
from tcf.encode.encoders import resolve
from tcf.encode.location import cache_folder
from tcf.encode.progress import LazyBar
from tcf.encode.spec import Dtype, EncoderSpec, Pooling, Quantization
from tcf.encode.store import FORMAT_VERSION, VectorStore
from tcf.encode.texts import as_texts, digests, distinct
from tcf.errors import EncoderError

if TYPE_CHECKING:
    from tcf.data.catalog import Catalog

__all__ = ["encode_catalog", "encode_items"]

Encoder = str | Path | EncoderSpec | Backend
Placement = Literal["auto", "resident", "sharded", "streamed"]


def encode_items(
    texts: Iterable[str] | Mapping[Any, str],
    *,
    encoder: Encoder,
    pooling: Pooling | None = None,
    layer: int = -1,
    max_tokens: int = 30,
    prompt: str = "{text}",
    normalize: bool = False,
    dtype: Dtype = "auto",
    quantization: Quantization | None = None,
    placement: Placement = "auto",
    device: str | None = None,
    batch_tokens: int | Literal["auto"] = "auto",
    progress: bool = True,
    cache: str | PathLike[str] | None = None,
    out: str | PathLike[str] | None = None,
) -> np.ndarray:
    """Turn texts into vectors.

    Each distinct text is encoded once, in batches of like length. A vector depends on its text and
    on the settings, not on the batch, the order or the padding (in float32 to about 1e-6 relative;
    in bfloat16 to its precision).

    Args:
        texts: Sequence of str, mapping item id -> str, or a polars or pandas column.
        encoder: Hub name, local folder, `EncoderSpec`, short name such as ``"tfidf-svd"``, or an
            object with the `Backend` protocol.
        pooling: ``"mean"`` (over real tokens, special ones included), ``"last_token"`` or
            ``"first_token"``. ``None`` is the encoder's own: the whole pipeline of a
            sentence-transformers model (pooling, dense layers, normalisation, default prompt), the
            mean for every other. Naming one reads the bare transformer.
        layer: 0 is the embedding output, k the output of block k, -1 the last (final norm
            included). Any but -1 reads the bare transformer; the blocks above are not run.
        max_tokens: Texts are cut there, special tokens included; a sentence-transformers model's
            too. TF-IDF reads whole texts.
        prompt: Template with one ``{text}``. Given, it replaces a model's default prompt.
        normalize: Scale each vector to length 1.
        dtype: ``"auto"`` is bfloat16 where the processor gains from it, else float32.
        quantization: ``"int8"`` and ``"nf4"`` are not available in this version.
        placement: ``"auto"`` and ``"resident"`` hold the whole model on one device; ``"sharded"``
            and ``"streamed"`` are not available in this version.
        device: Torch device; default CUDA where there is one, else the CPU.
        batch_tokens: Padded tokens a batch; halved where memory runs out.
        progress: Show a bar on stderr once the work has taken two seconds.
        cache: ``None`` keeps nothing. ``"auto"`` is ``$TCF_CACHE``, else the checkout's ``cache/``,
            else the user's cache folder; or a folder. Vectors found there are not made again, and
            if all are found no model is loaded.
        out: A ``.npy`` file to write, atomically; the result is then a read-only map of it.

    Returns:
        ``(num_texts, E)`` float32, in the order given.

    Raises:
        ValueError: If a text is not a str or has nothing to read, or a setting has no meaning.
        EncoderError: If the encoder cannot be loaded or cannot do what was asked.
        CacheError: If the store in ``cache`` is damaged.
    """
    settings = {
        "pooling": pooling,
        "layer": layer,
        "max_tokens": max_tokens,
        "prompt": prompt,
        "normalize": normalize,
        "dtype": dtype,
        "quantization": quantization,
    }
    job = _plan(texts, encoder, settings, placement, device, batch_tokens, cache)
    return _run(job, progress=progress, out=out)


def encode_catalog(catalog: "Catalog", *, encoder: Encoder, **settings: Any) -> Embeddings:
    """Turn a catalogue's texts into vectors that carry their item ids.

    Args:
        catalog: Items with their texts.
        encoder: As in `encode_items`.
        **settings: The other keywords of `encode_items`.

    Returns:
        Embeddings, whose key hashes everything that shapes a vector and whose manifest says what
        that was, with the encoder's display name and parameter counts.

    Raises:
        As `encode_items`.
    """
    run_options = {"progress": settings.pop("progress", True), "out": settings.pop("out", None)}
    where = {
        "placement": settings.pop("placement", "auto"),
        "device": settings.pop("device", None),
        "batch_tokens": settings.pop("batch_tokens", "auto"),
        "cache": settings.pop("cache", None),
    }
    unknown = sorted(settings.keys() - _SPEC_SETTINGS)
    if unknown:
        raise TypeError(f"encode_catalog takes the keywords of encode_items; got {unknown[0]!r}")
    named = dict(zip(catalog.item_ids, catalog.texts, strict=True))
    job = _plan(named, encoder, settings, **where)
    vectors = _run(job, **run_options)
    ingredients = job.ingredients()
    store = job.store()
    parameters = (store and store.parameters()) or job.backend.parameters()
    manifest = {"name": job.spec.display_name, "parameters": parameters, **ingredients}
    return Embeddings(tuple(catalog.item_ids), vectors, manifest, hash_json(ingredients))


_SPEC_SETTINGS = {
    "dtype",
    "layer",
    "max_tokens",
    "normalize",
    "pooling",
    "prompt",
    "quantization",
}


@dataclass(frozen=True, eq=False)
class _Job:
    texts: list[str]  # with the prompt around them
    spec: EncoderSpec
    backend: Backend
    cache: Path | None

    def ingredients(self) -> dict[str, Any]:
        """Everything that shapes a vector besides its text, JSON-able; its hash is the key."""
        return {
            "format_version": FORMAT_VERSION,
            "encoder": self.backend.identity(),
            "prompt": self.spec.prompt,
            "normalize": self.spec.normalize,
        }

    def store(self) -> VectorStore | None:
        return None if self.cache is None else VectorStore(self.cache, self.ingredients())


def _plan(
    texts: Any,
    encoder: Encoder,
    settings: dict[str, Any],
    placement: str,
    device: str | None,
    batch_tokens: int | Literal["auto"],
    cache: str | PathLike[str] | None,
) -> _Job:
    plain = as_texts(texts)
    folder = cache_folder(cache)
    if isinstance(encoder, str | Path | EncoderSpec):
        spec = resolve(encoder, **settings)
        final = [spec.prompt.replace("{text}", text) for text in plain]
        backend = make_backend(
            spec,
            final,
            placement=placement,
            device=device,
            batch_tokens=batch_tokens,
            memory=folder and folder / "hashes",
        )
        return _Job(final, spec, backend, folder)
    if not isinstance(encoder, Backend):
        raise TypeError(
            "encoder must be a name, a folder, an EncoderSpec or an object with the methods "
            f"identity, encode and parameters; got {type(encoder).__name__}"
        )
    spec = own_backend(encoder, settings)
    final = [spec.prompt.replace("{text}", text) for text in plain]
    return _Job(final, spec, encoder, folder)


def _run(job: _Job, *, progress: bool, out: str | PathLike[str] | None) -> np.ndarray:
    unique, inverse = distinct(job.texts)
    first = np.full(len(unique), -1)
    first[inverse[::-1]] = np.arange(len(inverse))[::-1]
    with _destination(out, len(inverse)) as result:
        for positions, vectors in _vectors(job, unique, inverse, progress=progress):
            result.rows(vectors.shape[1])[first[positions]] = vectors
        array = result.array
        again = np.flatnonzero(first[inverse] != np.arange(len(inverse)))
        for start in range(0, len(again), 8192):  # in parts: the result may be a file above memory
            part = again[start : start + 8192]
            array[part] = array[first[inverse[part]]]
    return array if out is None else np.load(out, mmap_mode="r", allow_pickle=False)


def _vectors(
    job: _Job, unique: list[str], inverse: np.ndarray, *, progress: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ``(positions, vectors)`` of the distinct texts: those found first, then those made."""
    hashes = digests(unique)
    store = job.store()
    everything = np.arange(len(unique))
    if store is None:
        yield from _encode(job, unique, everything, inverse, progress=progress)
        return
    missing = np.ones(len(unique), bool)
    for positions, vectors in store.read(hashes):
        missing[positions] = False
        yield positions, vectors
    if not missing.any():
        return
    with store.writer() as writer:
        left = everything[missing]
        for positions, vectors in store.read([hashes[p] for p in left]):  # made while we waited
            missing[left[positions]] = False
            yield left[positions], vectors
        for positions, vectors in _encode(
            job, unique, everything[missing], inverse, progress=progress
        ):
            writer.add([hashes[p] for p in positions], vectors)
            yield positions, vectors
        if missing.any():
            writer.set_parameters(job.backend.parameters())


def _encode(
    job: _Job, unique: list[str], wanted: np.ndarray, inverse: np.ndarray, *, progress: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield float32 vectors of the distinct texts ``wanted``, each checked, none left out."""
    if not len(wanted):
        return
    texts = [unique[p] for p in wanted]
    done = np.zeros(len(texts), bool)
    try:
        with LazyBar(len(texts), "Encoding texts", shown=progress) as bar:
            for positions, vectors in job.backend.encode(texts):
                done[positions] = True
                yield wanted[positions], _checked(vectors, texts, positions, job.spec)
                bar.advance(len(positions))
    except TokenlessTextError as error:
        places = [int(np.argmax(inverse == wanted[p])) for p in error.positions[:5]]
        raise ValueError(
            f"every text must hold a token that {job.spec.name} can read; none in "
            f"{len(error.positions)} texts, the first at positions {places}"
        ) from error
    if not done.all():
        raise EncoderError(
            f"{job.spec.name} must give a vector for every text; {(~done).sum()} of {len(done)} "
            f"have none, the first of them {texts[int(np.argmin(done))]!r}"
        )


def _checked(
    vectors: np.ndarray, texts: list[str], positions: np.ndarray, spec: EncoderSpec
) -> np.ndarray:
    vectors = np.asarray(vectors, dtype=np.float32)
    if vectors.ndim != 2 or len(vectors) != len(positions):
        raise EncoderError(
            f"{spec.name} must yield one vector for each of {len(positions)} positions; "
            f"got shape {vectors.shape}"
        )
    finite = np.isfinite(vectors).all(axis=1)
    if not finite.all():
        text = texts[int(positions[int(np.argmin(finite))])]
        raise EncoderError(
            f"{spec.name} gives a vector that is not finite for {text[:60]!r}; try dtype='float32'"
        )
    if not spec.normalize:
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, 1e-12)


class _Result:
    """The ``(num_texts, E)`` array, made once the width is known: in memory, or in a file."""

    def __init__(self, num_texts: int, file: Path | None) -> None:
        self._num_texts, self._file = num_texts, file
        self.array: np.ndarray = np.empty((0, 0), np.float32)

    def rows(self, width: int) -> np.ndarray:
        shape = (self._num_texts, width)
        if not self.array.size:
            self.array = (
                np.empty(shape, np.float32)
                if self._file is None
                else np.lib.format.open_memmap(self._file, "w+", np.float32, shape)
            )
        elif self.array.shape != shape:
            raise EncoderError(
                "all vectors of an encoder must have one width; "
                f"got {self.array.shape[1]} and {width}"
            )
        return self.array


@contextmanager
def _destination(out: str | PathLike[str] | None, num_texts: int) -> Iterator[_Result]:
    if out is None:
        yield _Result(num_texts, None)
        return
    if Path(out).suffix != ".npy":
        raise ValueError(f"out must be a file name that ends in .npy; got {str(out)!r}")
    with atomic_write(out) as temporary:
        result = _Result(num_texts, temporary)
        yield result
        if isinstance(result.array, np.memmap):
            result.array.flush()
