"""`encode_items`: plan, look up what is known, encode the rest, keep it, hand back in order."""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tcf._util import hash_json
from tcf.encode.backends.arrays import is_vector_file, vectors_of
from tcf.encode.backends.protocol import Backend, Reading
from tcf.encode.embeddings import Embeddings
from tcf.encode.harvest import Harvest, Where
from tcf.encode.ranks import is_first_rank
from tcf.encode.spec import Dtype, EncoderSpec, Pooling, Quantization

if TYPE_CHECKING:
    from tcf.data.catalog import Catalog

__all__ = ["encode_catalog", "encode_items"]

Encoder = str | Path | EncoderSpec | Backend
Placement = Literal["auto", "resident", "sharded", "streamed"]
Texts = Iterable[str] | Mapping[Any, str]


def encode_items(
    texts: Texts,
    *,
    encoder: Encoder,
    pooling: Pooling | Sequence[Pooling | None] | None = None,
    layer: int | Sequence[int] = -1,
    max_tokens: int = 30,
    prompt: str | Sequence[str] = "{text}",
    normalize: bool = False,
    dtype: Dtype = "auto",
    quantization: Quantization | None = None,
    placement: Placement = "auto",
    device: str | None = None,
    batch_tokens: int | Literal["auto"] = "auto",
    progress: bool = True,
    cache: str | PathLike[str] | None = None,
    out: str | PathLike[str] | None = None,
) -> Any:
    """Turn texts into vectors.

    Each distinct text is encoded once, in batches of like length. A vector depends on its text and
    on the settings, not on the batch, the order or the padding (in float32 to about 1e-6 relative;
    in bfloat16 to its precision).

    Several values of ``layer``, ``pooling`` or ``prompt`` are harvested in one pass over the texts,
    each kept under its own key.

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
        quantization: ``"int8"`` or ``"nf4"`` keeps the blocks' weights so (bitsandbytes).
        placement: ``"resident"`` holds the whole model on one device; ``"sharded"`` spreads it over
            several devices, the CPU's memory and the disk; ``"streamed"`` reads each block once for
            the whole catalogue and holds two at a time. ``"auto"`` takes the first that fits.
        device: Torch device; default CUDA where there is one, else the CPU.
        batch_tokens: Padded tokens a batch; halved where memory runs out.
        progress: Show a bar on stderr once the work has taken two seconds.
        cache: ``None`` keeps nothing. ``"auto"`` is ``$TCF_CACHE``, else the checkout's ``cache/``,
            else the user's cache folder; or a folder. Vectors found there are not made again, and
            if all are found no model is loaded. The processes of ``accelerate launch`` share the
            work through it.
        out: A ``.npy`` file to write, atomically; the result is then a read-only map of it. For one
            reading.

    Returns:
        ``(num_texts, E)`` float32, in the order given; for a harvest a dict of them, keyed by
        `Reading`, such as ``vectors[Reading(layer=-4, pooling="mean")]``.

    Raises:
        ValueError: If a text is not a str or has nothing to read, or a setting has no meaning.
        EncoderError: If the encoder cannot be loaded or cannot do what was asked.
        CacheError: If the store in ``cache`` is damaged or cannot be written.
    """
    if is_vector_file(encoder):
        raise ValueError(
            f"ready vectors belong to item ids, which texts do not have; got encoder={encoder!r}: "
            "use tcf.encode.encode_catalog(catalog, encoder=...)"
        )
    settings = {
        "max_tokens": max_tokens,
        "normalize": normalize,
        "dtype": dtype,
        "quantization": quantization,
    }
    harvest = Harvest(
        texts,
        encoder,
        readings(layer=layer, pooling=pooling, prompt=prompt),
        settings,
        Where(placement, device, batch_tokens, cache, progress),
    )
    vectors = harvest.vectors(out=out)
    if _is_harvest(layer, pooling, prompt):
        return vectors
    return vectors[harvest.readings[0]]


def encode_catalog(
    catalog: "Catalog",
    *,
    encoder: Encoder,
    pooling: Pooling | Sequence[Pooling | None] | None = None,
    layer: int | Sequence[int] = -1,
    prompt: str | Sequence[str] = "{text}",
    **settings: Any,
) -> Any:
    """Turn a catalogue's texts into vectors that carry their item ids.

    Args:
        catalog: Items with their texts.
        encoder: As in `encode_items`; or a ``.npy``, ``.safetensors`` or ``.parquet`` file
            with ready vectors and their item ids (`vectors_of`).
        pooling, layer, prompt: As in `encode_items`, several values included.
        **settings: The other keywords of `encode_items`.

    Returns:
        Embeddings, whose key hashes everything that shapes a vector and whose manifest says what
        that was, with the encoder's display name, its parameter counts and, where `diagnose` left
        it in the cache, the drift of its quantisation; for a harvest a dict of
        them, keyed by `Reading`.

    Raises:
        As `encode_items`.
    """
    out = settings.pop("out", None)
    where = Where(**{name: settings.pop(name) for name in Where.names() if name in settings})
    unknown = sorted(settings.keys() - _SPEC_SETTINGS)
    if unknown:
        raise TypeError(f"encode_catalog takes the keywords of encode_items; got {unknown[0]!r}")
    named = dict(zip(catalog.item_ids, catalog.texts, strict=True))
    wanted = readings(layer=layer, pooling=pooling, prompt=prompt)
    if is_vector_file(encoder):
        _refuse_settings_of_ready_vectors(wanted, settings)
        return vectors_of(catalog, encoder)
    harvest = Harvest(named, encoder, wanted, settings, where)
    ids = tuple(catalog.item_ids)
    made = {}
    for reading, vectors in harvest.vectors(out=out).items():
        about: dict[str, Any] = {
            "name": harvest.name(reading),
            "parameters": harvest.parameters(reading),
        }
        if (drift := harvest.drift(reading)) is not None:
            about["drift"] = drift
        ingredients = harvest.ingredients(reading)
        made[reading] = Embeddings(ids, vectors, {**about, **ingredients}, hash_json(ingredients))
    return made if _is_harvest(layer, pooling, prompt) else made[wanted[0]]


def save_catalog(
    catalog: "Catalog", path: Path, *, encoder: Encoder, **settings: Any
) -> tuple[int, int] | None:
    """Encode a catalogue into one safetensors file, its vectors never whole in memory.

    Args:
        catalog: Items with their texts.
        path: The file, as `Embeddings.save` writes it.
        encoder: As in `encode_items`.
        **settings: The other keywords of `encode_items`, one reading.

    Returns:
        ``(num_items, E)``; None in the further processes of a launch, which fill the cache alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        plain = Path(folder) / "vectors.npy"
        embeddings = encode_catalog(catalog, encoder=encoder, out=plain, **settings)
        if not is_first_rank():
            return None
        embeddings.save(path)
        return embeddings.vectors.shape


_SPEC_SETTINGS = {"dtype", "max_tokens", "normalize", "quantization"}


def readings(*, layer: Any, pooling: Any, prompt: Any) -> list[Reading]:
    """Return every combination of what was asked for.

    Raises:
        ValueError: If one of them is empty, or holds a value twice.
    """
    several = {"layer": layer, "pooling": pooling, "prompt": prompt}
    values = {}
    for name, value in several.items():
        values[name] = list(value) if _is_several(value) else [value]
        if not values[name] or len(set(values[name])) != len(values[name]):
            raise ValueError(f"{name} must hold one value or several different ones; got {value!r}")
    return [
        Reading(one_layer, one_pooling, one_prompt)
        for one_prompt in values["prompt"]
        for one_layer in values["layer"]
        for one_pooling in values["pooling"]
    ]


def _refuse_settings_of_ready_vectors(wanted: list[Reading], settings: dict[str, Any]) -> None:
    stated = sorted(settings) + ([] if wanted == [Reading()] else ["layer, pooling or prompt"])
    if stated:
        raise ValueError(f"{stated[0]} does not apply to ready vectors; leave it out")


def _is_harvest(*values: Any) -> bool:
    return any(map(_is_several, values))


def _is_several(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
