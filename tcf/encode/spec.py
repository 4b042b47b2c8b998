"""Everything that shapes a vector, as one frozen value; the encoders that have a short name."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

Pooling = Literal["mean", "last_token", "first_token"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Quantization = Literal["int8", "nf4"]

__all__ = ["ENCODERS", "EncoderSpec", "resolve"]


class EncoderSpec(BaseModel):
    """An encoder and how it is read. Where it runs (device, placement, batches) is not part of it.

    Attributes:
        name: Hub name, local folder, or ``"tfidf-svd"``.
        revision: Branch, tag or commit of a hub name.
        label: Display name, for tables and plots; never part of a key. Default: made from ``name``.
        pooling: ``None`` is the encoder's own: a sentence-transformers model's whole pipeline
            (its pooling, dense layers, normalisation and default prompt), the mean over real tokens
            for every other model. Naming one reads the bare transformer, even of a
            sentence-transformers model, with no normalisation but ``normalize``.
        layer: Index into Hugging Face's ``hidden_states``: 0 is the embedding output, k the output
            of block k, -1 the last, which is ``last_hidden_state`` (final norm included). Any
            but -1 reads the bare transformer, as naming a pooling does.
        max_tokens: Texts are cut there, special tokens included.
        prompt: Template with one ``{text}``.
        normalize: Scale each vector to length 1 at the end.
        dtype: ``"auto"`` is bfloat16 where the processor gains from it (GPU, or a CPU with
            avx512_bf16 or AMX), float32 elsewhere.
        quantization: ``"int8"`` or ``"nf4"``: the blocks' weights through bitsandbytes.
        trust_remote_code: Run Python files that came with the model. They are part of the key.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    revision: str | None = None
    label: str | None = None
    pooling: Pooling | None = None
    layer: int = -1
    max_tokens: int = Field(default=30, ge=1)
    prompt: str = "{text}"
    normalize: bool = False
    dtype: Dtype = "auto"
    quantization: Quantization | None = None
    trust_remote_code: bool = False

    @field_validator("name", mode="before")
    @classmethod
    def _path_is_a_name(cls, value: Any) -> Any:
        return str(value) if isinstance(value, Path) else value

    @field_validator("prompt")
    @classmethod
    def _one_place_for_the_text(cls, value: str) -> str:
        if value.count("{text}") != 1:
            raise ValueError("a prompt needs {text} exactly once")
        return value

    @property
    def display_name(self) -> str:
        """``label``, or the last part of the name with the layer where one was chosen."""
        if self.label is not None:
            return self.label
        depth = "" if self.layer == -1 else f" (layer {self.layer})"
        return Path(self.name).name + depth


_OPT_SIZES = ("125m", "350m", "1.3b", "2.7b", "6.7b", "13b", "30b", "66b")

ENCODERS: dict[str, EncoderSpec] = {
    "hashed-ngrams": EncoderSpec(name="hashed-ngrams", label="Hashed n-grams"),
    "tfidf-svd": EncoderSpec(name="tfidf-svd", label="TF-IDF + SVD"),
    **{
        f"opt-{size}": EncoderSpec(name=f"facebook/opt-{size}", label=f"OPT-{size.upper()}")
        for size in _OPT_SIZES
    },
}


def resolve(encoder: str | Path | EncoderSpec, **settings: Any) -> EncoderSpec:
    """Return the spec of ``encoder`` with ``settings`` applied.

    Args:
        encoder: Short name in `ENCODERS`, hub name, folder, or a spec.
        **settings: Fields of `EncoderSpec`. One left at its default changes nothing.

    Raises:
        ValueError: If a setting has no meaning, or contradicts one that the spec states.
    """
    base = encoder if isinstance(encoder, EncoderSpec) else ENCODERS.get(str(encoder))
    if base is None:
        base = EncoderSpec(name=str(encoder))
    stated = {**base.model_dump(exclude_unset=True)}
    for key, value in settings.items():
        if value == EncoderSpec.model_fields[key].default:
            continue
        if isinstance(encoder, EncoderSpec) and key in stated and stated[key] != value:
            raise ValueError(
                f"{key}={value!r} contradicts {key}={stated[key]!r} of the EncoderSpec; "
                "give it once"
            )
        stated[key] = value
    try:
        return EncoderSpec(**stated)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}; got {first['input']!r}") from None
