"""From what the caller named to backends, grouped by what one pass over the texts can serve."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from tcf.encode.backends.files import is_sentence_transformer, locate
from tcf.encode.backends.processor import pick_device, pick_dtype
from tcf.encode.backends.protocol import Backend, Reading
from tcf.encode.backends.static import HashedNgrams, TfidfSvd
from tcf.encode.backends.words import WordVectors, is_word_vector_file
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError

__all__ = ["is_static", "make_backends", "own_backend"]

PLACEMENTS = ("auto", "resident", "sharded", "streamed")


def make_backends(
    specs: Sequence[EncoderSpec],
    texts: Sequence[Sequence[str]],
    *,
    placement: str,
    device: str | None,
    batch_tokens: int | Literal["auto"],
    cache: Path | None,
    progress: bool = True,
) -> list[Backend]:
    """Return the backend that makes the vectors of each spec; loads no model yet.

    Args:
        specs: From `tcf.encode.encoders.resolve`; they differ in layer, pooling and prompt alone.
        texts: The texts of each, prompt included: what a static encoder is fitted on.
        placement: See `encode_items`.
        device: Torch device, or None.
        batch_tokens: Padded tokens a batch, or ``"auto"``.
        cache: Where hashes of large files are remembered and a streamed pass keeps its states.
        progress: Let a streamed pass show a bar of its blocks.

    Raises:
        ValueError: If a setting has no meaning.
        EncoderError: If the model is not there, or cannot do what was asked.
    """
    _check(placement, batch_tokens)
    first = specs[0]
    memory = cache and cache / "hashes"
    if (make := _static(first.name, memory)) is not None:
        who = f"encoder {first.name!r}"
        for spec in specs:
            refuse_settings(who, spec)
        _refuse_placement(who, placement)
        return [make(own) for own in texts]
    folder = locate(first.name, revision=first.revision, code=first.trust_remote_code)
    device = pick_device(device)
    where: dict[str, Any] = {
        "device": device,
        "dtype": pick_dtype(first.dtype, device),
        "batch_tokens": batch_tokens,
        "memory": memory,
    }
    whole = [_is_whole_pipeline(spec, folder) for spec in specs]
    if any(whole):
        _refuse_placement(f"the sentence-transformers pipeline {first.name}", placement)
    model = None
    backends: list[Backend] = []
    for spec, is_whole in zip(specs, whole, strict=True):
        if is_whole:
            from tcf.encode.backends.sentence import SentenceBackend

            backends.append(SentenceBackend(folder, spec, **where))
            continue
        from tcf.encode.backends.hf import HfBackend, Transformer

        model = model or Transformer(
            folder,
            layers=sorted({s.layer for s, w in zip(specs, whole, strict=True) if not w}),
            max_tokens=spec.max_tokens,
            quantization=spec.quantization,
            trust_remote_code=spec.trust_remote_code,
            placement=placement,
            work=cache and cache / "streams",
            progress=progress,
            **where,
        )
        backends.append(HfBackend(model, Reading(spec.layer, spec.pooling)))
    return backends


def own_backend(backend: Backend, settings: dict[str, Any]) -> EncoderSpec:
    """Return the spec of an object passed as encoder: its name, and prompt and normalize around it.

    Raises:
        ValueError: If a setting is given that only the object itself could follow.
    """
    name = type(backend).__name__
    spec = EncoderSpec(name=name, label=getattr(backend, "name", name), **settings)
    refuse_settings(f"the {name} passed as encoder", spec)
    return spec


def refuse_settings(who: str, spec: EncoderSpec) -> None:
    """Refuse what only a language model can follow.

    Raises:
        ValueError: Naming the setting.
    """
    for key in ("pooling", "layer", "max_tokens", "dtype", "quantization"):
        value = getattr(spec, key)
        if value != EncoderSpec.model_fields[key].default:
            raise ValueError(f"{key}={value!r} does not apply to {who}; leave it out")


def is_static(name: str) -> bool:
    """Whether an encoder is none of a language model: counts of words, or vectors of words."""
    return _static(name, None) is not None


def _static(name: str, memory: Path | None) -> Callable[[Sequence[str]], Backend] | None:
    """Return what makes a backend without a language model from the texts; None for a model."""
    if name == "tfidf-svd":
        return TfidfSvd
    if name == "hashed-ngrams":
        return lambda texts: HashedNgrams()
    if is_word_vector_file(name):
        return lambda texts: WordVectors(name, memory=memory)
    return None


def _is_whole_pipeline(spec: EncoderSpec, folder: Path) -> bool:
    return spec.pooling is None and spec.layer == -1 and is_sentence_transformer(folder)


def _refuse_placement(who: str, placement: str) -> None:
    if placement in ("sharded", "streamed"):
        raise EncoderError(
            f"placement={placement!r} needs a bare transformer, and {who} is none: leave placement "
            "out, or name pooling= to read the transformer inside a pipeline"
        )


def _check(placement: str, batch_tokens: Any) -> None:
    if placement not in PLACEMENTS:
        raise ValueError(f"placement must be one of {', '.join(PLACEMENTS)}; got {placement!r}")
    if batch_tokens != "auto" and (not isinstance(batch_tokens, int) or batch_tokens < 1):
        raise ValueError(
            f"batch_tokens must be 'auto' or an int of at least 1; got {batch_tokens!r}"
        )
