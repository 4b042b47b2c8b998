"""Whether a language model knows the titles of a data set by heart: a probe for causal encoders."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tcf.data.findings import Finding, percent
from tcf.encode.causal import LanguageModel, TokenLosses
from tcf.encode.encoders import resolve
from tcf.encode.progress import LazyBar
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError

__all__ = ["Recall", "check_memorization", "recall"]

MIN_TITLES, MIN_WORDS = 16, 4
_MAX_WORDS = 16
_GAP, _SHARE = 1.0, 0.02  # nats a token, and share of endings written unasked, that deserve a look


@dataclass(frozen=True, eq=False)
class Recall:
    """What a model makes of ``n`` titles; losses are mean nats a token.

    Attributes:
        own: ``(n,)`` loss of each title.
        shuffled: ``(n,)`` loss of the title with its words in another order.
        ending: ``(n,)`` loss of its second half after its first half.
        swapped: ``(n,)`` loss of the same second half after another title's first half.
        written: ``(n,)`` bool, the second half is what the model itself would write next.
        written_swapped: ``(n,)`` bool, likewise after another title's first half.
    """

    own: np.ndarray
    shuffled: np.ndarray
    ending: np.ndarray
    swapped: np.ndarray
    written: np.ndarray
    written_swapped: np.ndarray

    def __len__(self) -> int:
        """Return the number of titles."""
        return len(self.own)


def check_memorization(
    encoder: str | Path | EncoderSpec,
    texts: Sequence[str],
    *,
    seed: int,
    num_titles: int = 256,
    device: str | None = None,
    progress: bool = True,
    **settings: Any,
) -> Finding:
    """Probe whether a causal encoder knows which ending belongs to which title.

    Any model that reads the language finds a shuffled title harder than the title: that comparison
    shows that the probe can see. An ending is then read after its own beginning and after another
    title's. What it costs more there is coherence or memory; the share of endings that the model
    writes by itself, word for word, is memory (Carlini et al.: extractable).

    Args:
        encoder: A causal language model with its head: name, folder or spec.
        texts: Titles; those of at least four words are drawn from.
        seed: Of the draw, the shuffles and the swaps.
        num_titles: How many to probe.
        device: Torch device; default CUDA where there is one, else the CPU.
        progress: Show a bar on stderr once the probe has taken two seconds.
        **settings: ``dtype`` and others of `EncoderSpec`; by default float32 is used.

    Returns:
        A finding about these titles, with 95% t intervals of paired differences over them.

    Raises:
        EncoderError: If the encoder is no causal language model, or its files lack the head.
        ValueError: If a setting has no meaning.

    Source: Carlini et al., Extracting Training Data from Large Language Models, USENIX Security
    2021 (perplexity against a reference); Carlini et al., Quantifying Memorization Across Neural
    Language Models, ICLR 2023 (extractable given a prefix); Di Palma et al., Do LLMs Memorize
    Recommendation Datasets?, SIGIR 2025 (why it matters here).
    """
    spec = resolve(encoder, **settings)
    rng = np.random.default_rng(seed)
    titles = _drawn(texts, num_titles, rng)
    if len(titles) < MIN_TITLES:
        found = (
            f"not made: it takes {MIN_TITLES} titles of {MIN_WORDS} words and more; "
            f"there are {len(titles)}"
        )
        return Finding("memorised titles", "ok", found)
    with LazyBar(3 * len(titles), "Probing titles", shown=progress) as bar:
        return _judged(spec, recall(spec, titles, rng=rng, device=device, advance=bar.advance))


def recall(
    spec: EncoderSpec,
    titles: Sequence[list[str]],
    *,
    rng: np.random.Generator,
    device: str | None = None,
    advance: Callable[[int], None] | None = None,
) -> Recall:
    """Return what a causal model makes of titles, whole, shuffled and with swapped endings.

    Args:
        spec: Of the model.
        titles: The words of each.
        rng: Shuffles and swaps.
        device: Torch device, or None.
        advance: Hears how many of three texts a title have been read.

    Raises:
        EncoderError: As `check_memorization`.
    """
    model = LanguageModel(spec, device=device)
    whole = model.ids([" ".join(words) for words in titles])
    begins = model.ids([" ".join(words[: len(words) // 2]) for words in titles])
    kept = [
        n
        for n, (ids, begin) in enumerate(zip(whole, begins, strict=True))
        if 0 < len(begin) < len(ids) and ids[: len(begin)] == begin
    ]
    if len(kept) < MIN_TITLES:
        raise EncoderError(
            f"{spec.display_name}: the memorisation probe needs a tokenizer that keeps words "
            f"apart; this one does in {len(kept)} of {len(titles)} titles: leave the probe out"
        )
    endings = [whole[n][len(begins[n]) :] for n in kept]
    order = rng.permutation(len(kept))
    other = np.empty_like(order)
    other[order] = np.roll(order, 1)  # nobody gets his own
    swapped = [begins[kept[m]] + ending for m, ending in zip(other, endings, strict=True)]
    shuffled = model.ids([" ".join(_shuffled(titles[n], rng)) for n in kept])
    own, mixed, after = (
        model.read(rows, advance=advance) for rows in ([whole[n] for n in kept], shuffled, swapped)
    )
    last = [len(ending) for ending in endings]
    ends, after_others = _ends(own, last), _ends(after, last)
    return Recall(
        own=np.array([read.loss.mean() for read in own]),
        shuffled=np.array([read.loss.mean() for read in mixed]),
        ending=np.array([end.loss.mean() for end in ends]),
        swapped=np.array([end.loss.mean() for end in after_others]),
        written=np.array([end.likeliest.all() for end in ends]),
        written_swapped=np.array([end.likeliest.all() for end in after_others]),
    )


def _ends(reads: Sequence[TokenLosses], last: Sequence[int]) -> list[TokenLosses]:
    """Return the last tokens of each."""
    return [
        TokenLosses(read.loss[-n:], read.likeliest[-n:])
        for read, n in zip(reads, last, strict=True)
    ]


def _drawn(texts: Sequence[str], count: int, rng: np.random.Generator) -> list[list[str]]:
    """Return the first words of up to ``count`` different titles that are long enough."""
    unique = list(dict.fromkeys(tuple(text.split()[:_MAX_WORDS]) for text in texts))
    long = [words for words in unique if len(words) >= MIN_WORDS]
    return [list(long[n]) for n in rng.permutation(len(long))[:count]]


def _shuffled(words: list[str], rng: np.random.Generator) -> list[str]:
    mixed = [words[n] for n in rng.permutation(len(words))]
    return mixed if mixed != words else [*mixed[1:], mixed[0]]


def _judged(spec: EncoderSpec, found: Recall) -> Finding:
    order, swap = (_interval(found.shuffled - found.own), _interval(found.swapped - found.ending))
    written, by_chance = float(found.written.mean()), float(found.written_swapped.mean())
    own, shuffled = (float(np.exp(loss.mean())) for loss in (found.own, found.shuffled))
    return Finding.judged(
        "memorised titles",
        f"{spec.display_name}, {len(found)} titles: perplexity {own:.3g}, {shuffled:.3g} with "
        f"words shuffled ({order[0]:+.2f} nats a token, {order[1]:+.2f} to {order[2]:+.2f}); an "
        f"ending costs {swap[0]:+.2f} nats a token ({swap[1]:+.2f} to {swap[2]:+.2f}) after "
        f"another title's beginning; {percent(written, 1)} of endings are what the model writes "
        f"itself ({percent(by_chance, 1)} after another's)",
        warn=swap[1] > _GAP or (swap[1] > 0 and written - by_chance > _SHARE),
        fix="the encoder may recall these items, and what was written about them, instead of "
        "reading them: compare with items newer than its training data",
        figures={
            "swapped_nats": swap[0],
            "swapped_nats_low": swap[1],
            "swapped_nats_high": swap[2],
            "shuffled_nats": order[0],
            "shuffled_nats_low": order[1],
            "shuffled_nats_high": order[2],
            "perplexity": own,
            "perplexity_shuffled": shuffled,
            "share_written": written,
            "share_written_by_chance": by_chance,
            "num_titles": len(found),
        },
    )


def _interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Mean of paired differences, and its 95% t interval."""
    from scipy.stats import t

    mean, num = float(differences.mean()), len(differences)
    half = float(t.ppf(0.975, num - 1) * differences.std(ddof=1) / np.sqrt(num))
    return mean, mean - half, mean + half
