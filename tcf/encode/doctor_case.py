"""One encoder under examination: loads what each check needs, one model at a time."""

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from tcf.data.findings import Finding
from tcf.encode import doctor_texts, doctor_vectors
from tcf.encode.backends import HfBackend, SentenceBackend
from tcf.encode.backends.files import is_sentence_transformer, locate
from tcf.encode.backends.hf import Transformer
from tcf.encode.backends.processor import pick_device, pick_dtype
from tcf.encode.backends.protocol import Backend, Reading
from tcf.encode.backends.resolve import make_backends, own_backend
from tcf.encode.encoders import resolve
from tcf.encode.harvest import Harvest, Where
from tcf.encode.items import Encoder, encode_items
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError

if TYPE_CHECKING:
    from tcf.encode.doctor_probe import Probe

__all__ = ["Case"]

_ALONE = 32
_COLLECTED_BYTES = 2**26  # collecting takes as long as loading a smaller model


@dataclass
class Case:
    """What is examined: an encoder, how it is read, and texts drawn for it.

    Attributes:
        spec: The encoder and its settings; of an object, its prompt and normalisation.
        own: The object passed as encoder; None for one that is named.
        folder: The folder of a transformer; None for every other encoder.
        dtype: Resolved number format; None where it is the encoder's own affair.
        device: Torch device.
        texts: Different readable texts, in a random order.
        num_texts: How many of them to encode.
        own_pipeline: Whether a sentence-transformers model is read as its makers meant it.
        cache: Where stores lie whose manifests keep the drift that was measured.
        made: Vectors of the sample, once `vectors` has made them.
    """

    spec: EncoderSpec
    own: Backend | None
    folder: Path | None
    dtype: str | None
    device: str
    texts: list[str]
    num_texts: int
    own_pipeline: bool = False
    cache: Path | None = None
    made: np.ndarray | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        encoder: Encoder,
        texts: list[str],
        settings: dict[str, Any],
        *,
        device: str | None,
        num_texts: int,
        cache: Path | None = None,
    ) -> "Case":
        """Find out what ``encoder`` is; arguments as in `tcf.encode.doctor.diagnose`."""
        device = pick_device(device)
        if not isinstance(encoder, str | Path | EncoderSpec):
            spec = own_backend(encoder, {**settings})
            return cls(spec, encoder, None, None, device, texts, num_texts)
        spec = resolve(encoder, **settings)
        (backend,) = make_backends(
            [spec], [texts], placement="auto", device=device, batch_tokens="auto", cache=None
        )
        if not isinstance(backend, HfBackend | SentenceBackend):
            return cls(spec, None, None, None, device, texts, num_texts)
        folder, dtype = _folder(spec), pick_dtype(spec.dtype, device)
        own_pipeline = isinstance(backend, SentenceBackend)
        return cls(spec, None, folder, dtype, device, texts, num_texts, own_pipeline, cache)

    def steps(self) -> list[Callable[[], list[Finding]]]:
        """Return the groups of checks that apply, in the order in which they are to be made."""
        if self.folder is None:
            return [self.vectors, self.batches]
        part = self.transformer
        inside = [] if part is None else [partial(self.inside, part)]
        sides = [] if part is None else [partial(self.sides, part)]
        drifts = [partial(self.drift, what) for what in ("dtype", "int8", "nf4")]
        return [*inside, self.vectors, self.batches, *sides, *drifts]

    @property
    def transformer(self) -> Path | None:
        """Folder of the transformer, if the encoder has one."""
        folder = self.folder
        if folder is not None and is_sentence_transformer(folder):
            modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
            folder = folder / modules[0].get("path", "")
        return folder if folder is not None and (folder / "config.json").is_file() else None

    @property
    def sample(self) -> list[str]:
        """The texts that are encoded."""
        return self.texts[: self.num_texts]

    def inside(self, part: Path) -> list[Finding]:
        """Check the tokenizer, then the model it belongs to."""
        from tcf.encode.doctor_probe import Probe, token_facts

        trust = {"trust_remote_code": self.spec.trust_remote_code}
        prompted = [self._prompt.replace("{text}", text) for text in self.texts]
        facts = token_facts(part, prompted, **trust)
        self.texts = [t for t, n in zip(self.texts, facts.lengths, strict=True) if n]
        findings = [
            doctor_texts.tokenless_texts(facts),
            doctor_texts.unknown_tokens(facts),
            doctor_texts.truncation(facts, max_tokens=self.spec.max_tokens),
            doctor_texts.padding_token(facts),
        ]
        if reason := _does_not_fit(part, self.device):
            return [*findings, Finding("float16 range", "ok", reason)]
        probe = Probe(
            part,
            layer=self.spec.layer,
            max_tokens=self.spec.max_tokens,
            device=self.device,
            dtype="bfloat16" if self.dtype == "float16" else str(self.dtype),
            **trust,
        )
        bounds = [
            doctor_texts.vocabulary(facts, num_embeddings=probe.num_embeddings),
            doctor_texts.length_limit(
                facts, num_positions=probe.num_positions, max_tokens=self.spec.max_tokens
            ),
        ]
        if not self.texts or any(finding.verdict == "problem" for finding in bounds):
            return [*findings, *bounds]
        watched = self._watched(probe, facts)
        del probe
        self._release()
        return [*findings, *bounds, *watched]

    def _watched(self, probe: "Probe", facts: doctor_texts.TokenFacts) -> list[Finding]:
        pooling = self.spec.pooling or (None if self.own_pipeline else "mean")
        causal = probe.is_causal(self.sample)
        findings = [doctor_texts.end_tokens(facts, pooling=pooling, causal=causal)]
        if largest := probe.largest_outputs(self.sample):
            findings.append(doctor_vectors.float16_range(largest, dtype=str(self.dtype)))
        return findings

    def vectors(self) -> list[Finding]:
        """Encode the sample as it will be encoded, and check what comes out."""
        try:
            self.made = made = self._encode(self.sample)
        except EncoderError as error:
            fix = "download or save the encoder again; in a short number format, try a longer one"
            return [Finding("vectors", "problem", str(error), fix)]
        num, width = made.shape
        dtype = "" if self.dtype is None else f", made in {self.dtype}"
        return [
            Finding("vectors", "ok", f"{num} finite vectors of width {width}{dtype}"),
            doctor_vectors.constant_vectors(made),
            doctor_vectors.anisotropy(made),
        ]

    def batches(self) -> list[Finding]:
        """Compare vectors made alone with those of one batch of mixed lengths."""
        few = self.sample[:_ALONE]
        together = self._encode(few, batch_tokens=_ALONE * self.spec.max_tokens)
        if self.own is None:
            alone = self._encode(few, batch_tokens=1)
        else:
            alone = np.concatenate([self._encode([text]) for text in few])
        fix = "vectors depend on their neighbours: encode with batch_tokens=1, and report the model"
        quantized = self.spec.quantization  # int8 picks its unquantised columns over a batch
        return [
            doctor_vectors.invariance(
                "batch invariance",
                together,
                alone,
                dtype=quantized or self.dtype,
                verdict="problem" if quantized is None else "warning",
                fix=fix,
            )
        ]

    def sides(self, part: Path) -> list[Finding]:
        """Compare vectors made with padding on the right and on the left."""
        if reason := _does_not_fit(part, self.device):
            return [Finding("padding side", "ok", reason)]
        right, left = (self._padded(part, side) for side in ("right", "left"))
        fix = (
            "the model counts positions or hides padding in its own way: tcf pads on the right, "
            "which `batch invariance` tests; pad there in other tools too"
        )
        return [
            doctor_vectors.invariance(
                "padding side", right, left, dtype=self.dtype, verdict="warning", fix=fix
            )
        ]

    def drift(self, what: str) -> list[Finding]:
        """Compare the vectors with those of another number format or of quantised weights."""
        dtype = str(self.dtype)
        if what == "dtype":
            what = "bfloat16" if dtype == "float32" else dtype
            arms = [{"dtype": "float32"}, {"dtype": what}]
        else:
            arms = [{"dtype": dtype}, {"dtype": dtype, "quantization": what}]
        try:
            other, reference = self._arm(arms[1]), self._arm(arms[0])
        except EncoderError as error:
            return [Finding(f"{what} drift", "ok", f"not available: {error}")]
        used = what in (dtype, self.spec.quantization)
        measured = doctor_vectors.compare(reference, other)
        if "quantization" in arms[1]:
            self._keep({"quantization": what, "against": dtype, **measured})
        return [doctor_vectors.drift_finding(what, measured, against=arms[0]["dtype"], used=used)]

    def _keep(self, drift: dict[str, Any]) -> None:
        """Put the drift into the manifest of the store that the quantised encoder has."""
        reading = Reading(self.spec.layer, self.spec.pooling, self.spec.prompt)
        arm = self.spec.model_copy(update={"quantization": drift["quantization"]})
        where = Where(device=self.device, cache=self.cache)
        Harvest(self.texts[:1], arm, [reading], {}, where).note(reading, drift=drift)

    def _encode(
        self, texts: list[str], *, batch_tokens: int | Literal["auto"] = "auto"
    ) -> np.ndarray:
        if self.own is not None:
            around = {"prompt": self.spec.prompt, "normalize": self.spec.normalize}
            return encode_items(texts, encoder=self.own, progress=False, **around)
        return self._run(texts, self.spec, device=self.device, batch_tokens=batch_tokens)

    def _padded(self, part: Path, side: Literal["left", "right"]) -> np.ndarray:
        model = Transformer(
            part,
            layers=(self.spec.layer,),
            max_tokens=self.spec.max_tokens,
            device=self.device,
            dtype=str(self.dtype),
            batch_tokens=_ALONE * self.spec.max_tokens,
            trust_remote_code=self.spec.trust_remote_code,
            padding_side=side,
        )
        backend = HfBackend(model, Reading(self.spec.layer, self.spec.pooling))
        few = [self._prompt.replace("{text}", text) for text in self.sample[:_ALONE]]
        return self._run(few, backend)

    def _arm(self, arm: dict[str, Any]) -> np.ndarray:
        """Vectors of the sample in another format; those at hand where it is the same."""
        arm = {"quantization": None, **arm}
        as_used = {"dtype": self.dtype, "quantization": self.spec.quantization}
        if self.made is not None and arm == as_used:
            return self.made
        return self._run(self.sample, self.spec.model_copy(update=arm), device=self.device)

    def _run(self, texts: list[str], encoder: Encoder, **where: Any) -> np.ndarray:
        vectors = encode_items(texts, encoder=encoder, progress=False, **where)
        self._release()
        return vectors

    def _release(self) -> None:
        """Free a large model that cycles still hold, before the next one comes."""
        if self.folder is not None and _weight_bytes(self.folder) > _COLLECTED_BYTES:
            gc.collect()

    @property
    def _prompt(self) -> str:
        """What stands around each text, a sentence-transformers model's own prompt included."""
        if not self.own_pipeline or self.spec.prompt != "{text}" or self.folder is None:
            return self.spec.prompt
        about = self.folder / "config_sentence_transformers.json"
        config = json.loads(about.read_text(encoding="utf-8")) if about.is_file() else {}
        default = (config.get("prompts") or {}).get(config.get("default_prompt_name"))
        return f"{default or ''}{{text}}"


def _folder(spec: EncoderSpec) -> Path:
    return locate(spec.name, revision=spec.revision, code=spec.trust_remote_code)


def _does_not_fit(folder: Path, device: str) -> str | None:
    """Say so if the weights are larger than the free memory; a check is no place to swap."""
    import torch
    from accelerate.utils import get_max_memory

    weights = _weight_bytes(folder)
    where = torch.device(device)
    free = get_max_memory().get("cpu" if where.type == "cpu" else where.index or 0, 0)
    if weights <= free:
        return None
    return (
        f"not made: it needs the whole model in memory, whose weights take {weights / 1e9:.3g} GB; "
        f"{free / 1e9:.3g} GB are free on {device}"
    )


def _weight_bytes(folder: Path) -> int:
    files = (path for kind in ("*.safetensors", "*.bin") for path in folder.rglob(kind))
    return sum(path.stat().st_size for path in files)
