"""Checks of an encoder before a long run: each says what was found and what to do."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np

from tcf.data.audit_texts import duplicate_texts, is_readable, readable_texts
from tcf.data.findings import Finding
from tcf.data.location import cache_folder
from tcf.encode.backends.processor import pick_device, pick_dtype
from tcf.encode.doctor_case import Case
from tcf.encode.doctor_vectors import compare
from tcf.encode.encoders import resolve
from tcf.encode.items import Encoder, encode_items
from tcf.encode.progress import LazyBar
from tcf.encode.spec import EncoderSpec, Quantization
from tcf.encode.texts import as_texts

__all__ = ["BUILT_IN_TEXTS", "diagnose", "drift"]

_TOKENISED = 10_000
_FATAL = {"length limit", "vocabulary", "vectors"}


def diagnose(
    encoder: Encoder,
    texts: Iterable[str] | Mapping[Any, str] | None = None,
    *,
    device: str | None = None,
    num_texts: int = 256,
    seed: int = 0,
    progress: bool = True,
    cache: str | PathLike[str] | None = None,
    **settings: Any,
) -> list[Finding]:
    """Check an encoder, and the texts it is to read; no vector is kept.

    All texts are looked at, up to 10,000 drawn from them are tokenised, and ``num_texts`` of those
    are encoded, 32 of them one by one. A model is loaded six or seven times, never two at once.
    Checks that do not apply to an encoder are left out; one that could not be made says why.

    Args:
        encoder: As in `encode_items`.
        texts: As in `encode_items`, blank ones allowed. By default a few in many scripts, which
            test the encoder alone: they can show nothing about truncation or duplicates.
        device: Torch device; default CUDA where there is one, else the CPU.
        num_texts: How many to encode.
        seed: Of the draw.
        progress: Show a bar on stderr once the checks have taken two seconds.
        cache: As in `encode_items`: the drift of int8 and nf4 is put into the manifests of their
            stores there, from which `encode_catalog` takes it into its own.
        **settings: ``pooling``, ``layer``, ``max_tokens``, ``prompt``, ``normalize``, ``dtype`` and
            ``quantization`` of `encode_items`: how the encoder is going to be used.

    Returns:
        Findings, in the order in which the checks were made. A problem that leaves nothing for the
        later checks to look at ends the list.

    Raises:
        ValueError: If a text is not a str, or a setting has no meaning.
        EncoderError: If the encoder cannot be loaded.
    """
    plain = [*BUILT_IN_TEXTS] if texts is None else _plain(texts)
    findings: list[Finding] = []
    if texts is not None:
        findings += [readable_texts(plain), duplicate_texts(plain)]
    readable = _draw(plain, _TOKENISED, seed)
    if not readable:
        return findings
    folder = cache_folder(cache)
    case = Case.of(encoder, readable, settings, device=device, num_texts=num_texts, cache=folder)
    steps = case.steps()
    with LazyBar(len(steps), "Checking the encoder", shown=progress) as bar:
        for step in steps:
            found = step()
            findings += found
            bar.advance(1)
            if not case.texts or any(f.check in _FATAL and f.verdict == "problem" for f in found):
                break
    return findings if texts is not None else _of_the_encoder(findings)


def drift(
    encoder: str | EncoderSpec,
    texts: Iterable[str] | Mapping[Any, str],
    quantization: Quantization | None,
    *,
    device: str | None = None,
    num_texts: int = 256,
    seed: int = 0,
    **settings: Any,
) -> dict[str, Any]:
    """Measure what a quantisation does to the vectors of up to ``num_texts`` of the texts.

    Args:
        encoder: Name, folder or spec.
        texts: As in `encode_items`; unreadable ones are passed over.
        quantization: ``"int8"`` or ``"nf4"``; None measures nothing but the run's own noise.
        device: As in `encode_items`.
        num_texts: How many to encode, twice.
        seed: Of the draw.
        **settings: The other settings of `EncoderSpec`.

    Returns:
        JSON-able: ``quantization``, ``against`` (the format of the unquantised weights), and the
        figures of `tcf.encode.doctor_vectors.compare`.

    Raises:
        ValueError: If a setting has no meaning, or no text can be read.
        EncoderError: If either model cannot be loaded, or the quantisation is not available.
    """
    spec = resolve(encoder, **settings)
    against = pick_dtype(spec.dtype, pick_device(device))
    sample = _draw(_plain(texts), num_texts, seed)

    def vectors(quantized: Quantization | None) -> np.ndarray:
        arm = spec.model_copy(update={"dtype": against, "quantization": quantized})
        return encode_items(sample, encoder=arm, device=device, progress=False)

    quantized = vectors(quantization)  # first: where it is not available, nothing was done in vain
    return {
        "quantization": quantization,
        "against": against,
        **compare(vectors(None), quantized),
    }


def _plain(texts: Any) -> list[str]:
    """Return the texts as a list, blank ones kept; what is no str is refused by its place."""
    if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
        return as_texts(texts)  # raises
    values = list(texts.values() if isinstance(texts, Mapping) else texts)
    readable = ["-" if isinstance(text, str) and not is_readable(text) else text for text in values]
    as_texts(dict(zip(texts, readable, strict=True)) if isinstance(texts, Mapping) else readable)
    return values


def _draw(texts: list[str], count: int, seed: int) -> list[str]:
    """Return up to ``count`` different readable texts, in a random order."""
    unique = list(dict.fromkeys(text for text in texts if is_readable(text)))
    order = np.random.default_rng(seed).permutation(len(unique))[:count]
    return [unique[place] for place in order]


def _of_the_encoder(findings: list[Finding]) -> list[Finding]:
    """Findings that do not blame an encoder for the built-in texts."""
    kept = [finding for finding in findings if finding.check != "truncation"]
    return [
        replace(finding, verdict="warning")
        if finding.check == "texts without tokens" and finding.verdict == "problem"
        else finding
        for finding in kept
    ]


BUILT_IN_TEXTS: tuple[str, ...] = (
    "a blue dress",
    "A Blue Dress!",
    "dress",
    "The quick brown fox jumps over the lazy dog",
    "the little book of quiet evenings",
    "A History of Bread, from the First Ovens to the Present Day (2nd edition, revised)",
    'a "quoted" title, with ‘single’ and “double” marks',
    "rock'n'roll & rhythm/blues: live @ the harbour",
    "USB-C to HDMI adapter, 4K@60Hz, 1.8 m, 2-pack",
    "set of 6 mugs – 350 ml",
    "50% off!!! buy 1 get 1 FREE",
    "funny cats compilation # cats # funny # try not to laugh",
    "homemade noodles with chili oil 🍜🌶️",
    "🎸🎹🥁",
    "sunset over the sea 🌅 relaxing music for sleep 😴",
    "family of four 👨‍👩‍👧‍👦 on the beach",
    "crème brûlée facile en dix minutes",
    "Über den Dächern: Größe und Straße",
    "el niño y la montaña",
    "łódź, żółw i gęś",
    "Türkçe kahve nasıl yapılır",
    "Người đi trong mưa",
    "Война и мир, том первый",
    "Η θάλασσα και ο ουρανός",
    "قصة قصيرة عن البحر",
    "שיר של יום חדש",
    "سفر به کوهستان",
    "हिंदी में आसान रेसिपी",
    "বাংলা গান",
    "เพลงรักในฤดูฝน",
    "周末在家做红烧肉",
    "猫の動画まとめ",
    "초보자를 위한 기타 강의",
    "Python 3.12 — что нового?",
    "mixed 中文 and English العربية in one title",
    "x",
    "7",
    "!!!",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "an unbelievably long title that goes on and on about a knight, a dragon, a castle, a queen, "
    "a lost map, three brothers, a ship, a storm, an island, a treasure, and the long way home",
    "tabs\tand\nline breaks\nin a title",
    "zero\u200bwidth and\u00a0hard spaces",
)
"""Many scripts, emoji, quotes and lengths: what an encoder of item texts may meet."""
