"""What encoding some texts will take: memory, bytes, work and time, before any download."""

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tcf.data.location import cache_folder
from tcf.encode.backends.processor import pick_device, pick_dtype
from tcf.encode.encoders import resolve
from tcf.encode.source import Source, find_source
from tcf.encode.spec import EncoderSpec
from tcf.encode.workload import Workload
from tcf.errors import EncoderError

if TYPE_CHECKING:
    from tcf.encode.machine import Memory, Rates
    from tcf.encode.placement import Choice, Needs, Placed
    from tcf.encode.shape import Shape

__all__ = ["Plan", "flops_per_item", "plan"]

_PLACEMENTS: "tuple[Placed, ...]" = ("resident", "sharded", "streamed")


@dataclass(frozen=True)
class Plan:
    """What `encode_items` would take with the same arguments. Rates are measured on this machine.

    Attributes:
        spec: The encoder and how it is read.
        source: Where its config was found.
        shape: Its size.
        device: Where it runs.
        dtype: Resolved number format.
        free: Memory free when the plan was made.
        needs: Bytes of weights, blocks, activations and states.
        choice: The placement, and why.
        work: What there is to encode, and what the store holds already.
        file_bytes: Bytes of all weights on disk, stored in the config's number format.
        read_bytes: Bytes of weights read from there.
        flops: Floating-point operations; see `Shape.flops`.
        rates: What this machine does a second; None where nothing is left to do.
    """

    spec: EncoderSpec
    source: Source
    shape: "Shape"
    device: str
    dtype: str
    free: "Memory"
    needs: "Needs"
    choice: "Choice"
    work: Workload
    file_bytes: int
    read_bytes: int
    flops: float
    rates: "Rates | None"

    @property
    def download_bytes(self) -> int:
        """Bytes of weights that are not here yet."""
        return 0 if self.source.weights else self.file_bytes

    @property
    def read_seconds(self) -> float:
        """Time to read the weights."""
        return self.read_bytes / self.rates.disk if self.rates else 0.0

    @property
    def compute_seconds(self) -> float:
        """Time to multiply, at the measured rate of products alone: a lower bound."""
        return self.flops / self.rates.product if self.rates else 0.0

    @property
    def seconds(self) -> float:
        """Reading, then multiplying; a streamed pass hides the shorter one behind the other."""
        if self.choice.placement == "streamed":
            return max(self.read_seconds, self.compute_seconds)
        return self.read_seconds + self.compute_seconds

    def peak_bytes(self) -> "dict[Placed, int]":
        """Memory at the fullest moment by placement, over all devices together."""
        return {name: self.needs.peak(name) for name in _PLACEMENTS}

    def rows(self) -> list[tuple[str, str]]:
        """Return the plan in words and units, one thing a row."""
        from tcf.encode.plan_table import plan_rows

        return plan_rows(self)


def plan(
    texts: Any,
    *,
    encoder: str | Path | EncoderSpec,
    placement: str = "auto",
    device: str | None = None,
    batch_tokens: int | Literal["auto"] = "auto",
    cache: str | PathLike[str] | None = None,
    **settings: Any,
) -> Plan:
    """Say what ``encode_items(texts, encoder=encoder, ...)`` would take; download no weights.

    Sizes follow from the config: of a local folder (weights need not be there), of the local hub
    cache, of `ENCODERS`, or else of config.json alone, fetched from the hub. Takes about a second.

    Args:
        texts: As in `encode_items`.
        encoder: Hub name, local folder, short name or `EncoderSpec`.
        placement: ``"auto"`` chooses; else the plan is made for the one named.
        device: As in `encode_items`.
        batch_tokens: As in `encode_items`.
        cache: As in `encode_items`; where to look for what is stored already.
        **settings: ``layer``, ``pooling``, ``max_tokens``, ``prompt``, ``dtype`` and the other
            fields of `EncoderSpec`.

    Raises:
        TypeError: If a setting is no field of `EncoderSpec`.
        ValueError: If a text or a setting has no meaning, or the encoder is no transformer.
        EncoderError: If the encoder's config cannot be found or used.
    """
    from tcf.encode.machine import free_memory, measure_rates
    from tcf.encode.placement import Needs, tokens_a_batch
    from tcf.encode.shape import Shape, read_config

    spec = _spec(encoder, settings)
    source = find_source(spec)
    device = pick_device(device)
    dtype = pick_dtype(spec.dtype, device)
    config = read_config(source.config)
    shape = Shape.of(config)
    num_blocks = _blocks_run(spec, shape)
    work = Workload.of(texts, spec, source, device=device, cache=cache_folder(cache))
    rows = tokens_a_batch(batch_tokens, device)
    needs = Needs.of(
        shape,
        dtype=dtype,
        quantization=spec.quantization,
        batch_tokens=rows,
        num_tokens=work.num_tokens,
    )
    free = free_memory()
    choice = _choice(placement, needs, free, device=device, quantization=spec.quantization)
    stored = _as_stored(config, dtype)
    read_bytes, rates = 0, None
    if work.num_tokens:
        streamed = choice.placement == "streamed"
        once = shape.read_bytes(stored, num_blocks if streamed else None)
        read_bytes = once * (needs.num_chunks if streamed else 1)
        sides = (rows, shape.width, shape.inner)
        place = _weights_or_their_place(source)
        rates = measure_rates(dtype=dtype, device=device, shape=sides, where=place)
    return Plan(
        spec=spec,
        source=source,
        shape=shape,
        device=device,
        dtype=dtype,
        free=free,
        needs=needs,
        choice=choice,
        work=work,
        file_bytes=shape.read_bytes(stored),
        read_bytes=read_bytes,
        flops=shape.flops(work.lengths, num_blocks=num_blocks),
        rates=rates,
    )


def flops_per_item(texts: Any, *, encoder: str | Path | EncoderSpec, **settings: Any) -> float:
    """Return the work of encoding a text: the mean over the distinct texts' own token counts.

    Not at ``max_tokens``: titles are shorter, and what is paid for is what they have.

    Args:
        texts, encoder, settings: As in `plan`.

    Raises:
        TypeError, ValueError, EncoderError: As `plan`.
    """
    from tcf.encode.shape import Shape, read_config

    spec = _spec(encoder, settings)
    source = find_source(spec)
    shape = Shape.of(read_config(source.config))
    work = Workload.of(texts, spec, source, device="cpu", cache=None)
    return shape.flops(work.lengths, num_blocks=_blocks_run(spec, shape)) / len(work.lengths)


def _spec(encoder: str | Path | EncoderSpec, settings: dict[str, Any]) -> EncoderSpec:
    unknown = sorted(settings.keys() - EncoderSpec.model_fields.keys())
    if unknown:
        raise TypeError(f"plan takes the keywords of encode_items; got {unknown[0]!r}")
    return resolve(encoder, **settings)


def _blocks_run(spec: EncoderSpec, shape: "Shape") -> int:
    depth = shape.depth
    if not -depth - 1 <= spec.layer <= depth:
        raise EncoderError(
            f"{spec.name} has {depth} blocks, so layer must be within 0..{depth}, "
            f"or -1 for the last; got {spec.layer}"
        )
    return spec.layer % (depth + 1)


def _choice(
    placement: str, needs: "Needs", free: "Memory", *, device: str, quantization: str | None
) -> "Choice":
    from tcf.encode.placement import Choice, choose

    best = choose(needs, free, device=device, quantization=quantization)
    if placement in ("auto", best.placement):
        return best
    if placement not in _PLACEMENTS:
        raise ValueError(
            f"placement must be one of auto, {', '.join(_PLACEMENTS)}; got {placement!r}"
        )
    return Choice(placement, f"asked for; auto would be {best.placement}: {best.reason}")


def _as_stored(config: Any, dtype: str) -> str:
    """The number format of the weight files, as far as the config says."""
    from tcf.encode.shape import BITS

    said = str(getattr(config, "dtype", None)).removeprefix("torch.")
    return said if said in BITS else dtype


def _weights_or_their_place(source: Source) -> Path:
    """A weight file if one is here, else the folder into which they would come."""
    from huggingface_hub import constants

    place = source.folder or Path(constants.HF_HUB_CACHE)
    if source.weights:
        files = [*place.rglob("*.safetensors"), *place.rglob("*.bin")]
        return max(files, key=lambda file: file.stat().st_size)
    return next(folder for folder in (place, *place.parents) if folder.is_dir())
