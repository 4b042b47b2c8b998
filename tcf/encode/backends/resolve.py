"""From what the caller named to a backend."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tcf.encode.backends.files import is_sentence_transformer, locate
from tcf.encode.backends.processor import pick_device, pick_dtype
from tcf.encode.backends.protocol import Backend
from tcf.encode.backends.static import TfidfSvd
from tcf.encode.spec import EncoderSpec

__all__ = ["make_backend", "own_backend"]

_NOT_YET = (
    "is not available in this version, which runs whole models on one device; "
    "use quantization=None with placement='auto' or 'resident', and a model that fits in memory"
)
_PLACEMENTS = ("auto", "resident", "sharded", "streamed")


def make_backend(
    spec: EncoderSpec,
    texts: Sequence[str],
    *,
    placement: str,
    device: str | None,
    batch_tokens: int | Literal["auto"],
    memory: Path | None,
) -> Backend:
    """Return the backend that makes the vectors of ``spec``; loads no model yet.

    Args:
        spec: From `tcf.encode.encoders.resolve`.
        texts: What a static encoder is fitted on.
        placement: See `encode_items`.
        device: Torch device, or None.
        batch_tokens: Padded tokens a batch, or ``"auto"``.
        memory: Where hashes of large files are remembered.

    Raises:
        ValueError: If a setting has no meaning.
        EncoderError: If the model is not there, or the setting is not available.
    """
    _refuse_unavailable(spec, placement, batch_tokens)
    if spec.name == "tfidf-svd":
        _refuse_settings("encoder 'tfidf-svd'", spec)
        return TfidfSvd(texts)
    folder = locate(spec.name, revision=spec.revision)
    device = pick_device(device)
    where: dict[str, Any] = {
        "device": device,
        "dtype": pick_dtype(spec.dtype, device),
        "batch_tokens": batch_tokens,
        "memory": memory,
    }
    own_pipeline = spec.pooling is None and spec.layer == -1 and is_sentence_transformer(folder)
    if own_pipeline:
        from tcf.encode.backends.sentence import SentenceBackend

        return SentenceBackend(folder, spec, **where)
    from tcf.encode.backends.hf import HfBackend

    return HfBackend(folder, spec, **where)


def own_backend(backend: Backend, settings: dict[str, Any]) -> EncoderSpec:
    """Return the spec of an object passed as encoder: its name, and prompt and normalize around it.

    Raises:
        ValueError: If a setting is given that only the object itself could follow.
    """
    name = type(backend).__name__
    spec = EncoderSpec(name=name, label=getattr(backend, "name", name), **settings)
    _refuse_settings(f"the {name} passed as encoder", spec)
    return spec


def _refuse_unavailable(spec: EncoderSpec, placement: str, batch_tokens: Any) -> None:
    from tcf.errors import EncoderError

    if placement not in _PLACEMENTS:
        raise ValueError(f"placement must be one of {', '.join(_PLACEMENTS)}; got {placement!r}")
    if spec.quantization is not None:
        raise EncoderError(f"quantization={spec.quantization!r} {_NOT_YET}")
    if placement in ("sharded", "streamed"):
        raise EncoderError(f"placement={placement!r} {_NOT_YET}")
    if batch_tokens != "auto" and (not isinstance(batch_tokens, int) or batch_tokens < 1):
        raise ValueError(
            f"batch_tokens must be 'auto' or an int of at least 1; got {batch_tokens!r}"
        )


def _refuse_settings(who: str, spec: EncoderSpec) -> None:
    for key in ("pooling", "layer", "max_tokens", "dtype", "quantization"):
        value = getattr(spec, key)
        if value != EncoderSpec.model_fields[key].default:
            raise ValueError(f"{key}={value!r} does not apply to {who}; leave it out")
