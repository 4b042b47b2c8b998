"""A causal language model as a ranker: how likely it holds each candidate's title to come next."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tcf.data.catalog import Catalog
from tcf.encode.causal import LanguageModel
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError
from tcf.evaluate.candidates import Candidates
from tcf.evaluate.prompts import Prompt, titles_of

__all__ = ["Likelihoods", "likelihood_scores"]


@dataclass(frozen=True, eq=False)
class Likelihoods:
    """Log-likelihoods of titles, in nats.

    Attributes:
        total: ``(n, C)`` float64, the sum over a title's tokens, which favours short titles.
        mean: ``(n, C)`` float64, the mean over them.
    """

    total: np.ndarray
    mean: np.ndarray


def likelihood_scores(
    model: EncoderSpec | LanguageModel,
    candidates: Candidates,
    catalog: Catalog,
    *,
    prompt: Prompt,
    max_history: int = 20,
    max_tokens: int = 30,
    device: str | None = None,
    advance: Callable[[int], None] | None = None,
) -> Likelihoods:
    """Return how likely each candidate's title is after the prompt.

    The model sees no candidate beside the one it reads, so that their order cannot matter. The
    prompt runs once a user. Where it does not fit the model's positions, the oldest titles are left
    out, and if one alone is too long, the prompt's beginning.

    Args:
        model: A decoder-only model with its head, or its spec, such as
            ``EncoderSpec(name=folder)``.
        candidates: Of `sample_candidates`.
        catalog: Of the titles.
        prompt: For ``"continue"``.
        max_history: Items of the history shown, the last ones.
        max_tokens: A candidate's title is cut there.
        device: As in `LanguageModel`, where a spec is given.
        advance: Hears how many tasks have been read.

    Raises:
        ValueError: If the prompt is for another task, or a number has no meaning.
        EncoderError: If the model is no causal one, or too short for a title and a token before it.

    Source: the scoring of Brown et al., Language Models are Few-Shot Learners (2020), section 2.4,
    without its correction for a title's own likelihood.
    """
    if prompt.task != "continue":
        raise ValueError(f"likelihood needs a prompt for 'continue'; got one for {prompt.task!r}")
    if max_history < 1 or max_tokens < 1:
        raise ValueError(
            f"max_history and max_tokens must be at least 1; got {max_history} and {max_tokens}"
        )
    if isinstance(model, EncoderSpec):
        model = LanguageModel(model, device=device)
    rows = np.unique(candidates.rows)
    texts = [f" {' '.join(text.split())}" for text in titles_of(catalog, rows)]
    titles = {int(row): ids[:max_tokens] for row, ids in zip(rows, model.ids(texts), strict=True)}
    empty = next((row for row, ids in titles.items() if not ids), None)
    if empty is not None:
        raise EncoderError(
            f"a title needs at least one token; the model's tokenizer finds none in that of item "
            f"{catalog.item_ids[empty - 1]!r}"
        )
    total, mean = np.empty(candidates.rows.shape), np.empty(candidates.rows.shape)
    for task, shown in enumerate(candidates.rows.tolist()):
        mine = [titles[row] for row in shown]
        room = _room(model, max(map(len, mine)))
        history = candidates.history(task, last=max_history)
        known = titles_of(catalog, history)
        losses = model.read_after(_fitted(model, prompt, known, room), mine)
        total[task] = [-loss.sum() for loss in losses]
        mean[task] = total[task] / [len(ids) for ids in mine]
        if advance is not None:
            advance(1)
    return Likelihoods(total, mean)


def _room(model: LanguageModel, longest: int) -> int | None:
    """Return the tokens that a prompt may have; None where the model names no limit."""
    if model.max_tokens is None:
        return None
    room = model.max_tokens - 1 - longest
    if room < 1:
        raise EncoderError(
            f"the model has {model.max_tokens} positions, which must hold a title of {longest} "
            "tokens and a prompt: lower max_tokens"
        )
    return room


def _fitted(
    model: LanguageModel, prompt: Prompt, history: list[str], room: int | None
) -> list[int]:
    """Return the prompt's token ids with as many titles as fit, the last ones."""
    ids: list[int] = []
    for first in range(max(1, len(history))):
        (ids,) = model.ids([prompt.fill(history[first:]).rstrip()])
        if room is None or len(ids) <= room:
            return ids
    return ids[-room:] if room else ids
