"""The doctor's checks of texts and of what a tokenizer makes of them: pure functions, no torch."""

from dataclasses import dataclass

import numpy as np

from tcf.data.findings import Finding, percent

__all__ = [
    "TokenFacts",
    "end_tokens",
    "length_limit",
    "padding_token",
    "tokenless_texts",
    "truncation",
    "unknown_tokens",
    "vocabulary",
]

_ABSURD_TOKENS = 10**6  # tokenizers saved without a limit state 1e30
_RARE = 0.01


@dataclass(frozen=True, eq=False)
class TokenFacts:
    """What a tokenizer says of itself and of ``n`` texts.

    Attributes:
        lengths: ``(n,)`` int, tokens of each whole text, special tokens included.
        num_content: ``(n,)`` int, those that come from the text itself.
        num_unknown: ``(n,)`` int, those of the content that stand for something unknown.
        opens: Special tokens put before each text.
        closes: Special tokens put after each text.
        unknown_token: None where every text can be spelled.
        pad_token: None where the tokenizer has none.
        pad_id: Its number.
        num_tokens: Size of the vocabulary, added tokens included.
        limit: ``model_max_length`` as the tokenizer states it.
    """

    lengths: np.ndarray
    num_content: np.ndarray
    num_unknown: np.ndarray
    opens: tuple[str, ...]
    closes: tuple[str, ...]
    unknown_token: str | None
    pad_token: str | None
    pad_id: int | None
    num_tokens: int
    limit: int


def tokenless_texts(facts: TokenFacts) -> Finding:
    """A text without any token cannot be encoded; one of special tokens alone says nothing."""
    none = int((facts.lengths == 0).sum())
    bare = int((facts.num_content == 0).sum())
    whole = len(facts.lengths)
    if not bare:
        return Finding("texts without tokens", "ok", f"none among {whole} texts")
    return Finding(
        "texts without tokens",
        "problem" if none else "warning",
        f"of {whole} texts, {none} have no token and {bare - none} special tokens alone",
        "drop these items, or take an encoder whose tokenizer reads their script",
    )


def unknown_tokens(facts: TokenFacts) -> Finding:
    """Words that the tokenizer does not know all read alike."""
    if facts.unknown_token is None:
        return Finding("unknown tokens", "ok", "the tokenizer has no unknown token")
    unknown, content = int(facts.num_unknown.sum()), max(1, int(facts.num_content.sum()))
    touched = int((facts.num_unknown > 0).sum())
    found = (
        f"{percent(unknown, content)} of tokens are {facts.unknown_token}, "
        f"in {percent(touched, len(facts.lengths))} of texts"
    )
    if unknown <= _RARE * content:
        return Finding("unknown tokens", "ok", found)
    fix = "clean the texts, or take an encoder trained on their language and signs"
    return Finding("unknown tokens", "warning", found, fix)


def truncation(facts: TokenFacts, *, max_tokens: int) -> Finding:
    """How much is cut at ``max_tokens``, and where 99% of texts would stay whole."""
    lengths = facts.lengths
    cut = int((lengths > max_tokens).sum())
    lost = int(np.maximum(lengths - max_tokens, 0).sum())
    enough = int(np.quantile(lengths, 0.99, method="inverted_cdf"))
    found = (
        f"max_tokens={max_tokens} cuts {percent(cut, len(lengths))} of texts and loses "
        f"{percent(lost, max(1, int(lengths.sum())))} of tokens; the longest text has "
        f"{int(lengths.max())}"
    )
    if cut <= _RARE * len(lengths):
        return Finding("truncation", "ok", found)
    return Finding("truncation", "warning", found, f"max_tokens={enough} leaves 99% of texts whole")


def length_limit(facts: TokenFacts, *, num_positions: int | None, max_tokens: int) -> Finding:
    """The longest text that tokenizer and model allow, against ``max_tokens``.

    Args:
        facts: Of the tokenizer.
        num_positions: Tokens for which the model has learned positions; None if it states none.
        max_tokens: What is asked for.
    """
    absurd = facts.limit > _ABSURD_TOKENS
    stated = "no limit" if absurd else f"{facts.limit} tokens"
    model = "no limit" if num_positions is None else f"{num_positions} positions"
    found = f"the tokenizer states {stated}, the model {model}; max_tokens={max_tokens}"
    limit = facts.limit if num_positions is None else min(facts.limit, num_positions)
    special = len(facts.opens) + len(facts.closes)
    if not special < max_tokens <= limit:
        fix = f"max_tokens must be between {special + 1} and {limit}"
        return Finding("length limit", "problem", found, fix)
    if num_positions is None and absurd:
        fix = "nothing guards against texts longer than the model was trained on: look that up"
        return Finding("length limit", "warning", found, fix)
    return Finding("length limit", "ok", found)


def padding_token(facts: TokenFacts) -> Finding:
    """`tcf` masks its padding and needs no token for it; other tools do."""
    if facts.pad_token is not None:
        return Finding("padding token", "ok", f"{facts.pad_token} (number {facts.pad_id})")
    return Finding(
        "padding token",
        "warning",
        "the tokenizer has none; tcf pads with number 0 behind the attention mask",
        "nothing for tcf if `padding side` is ok; elsewhere set tokenizer.pad_token",
    )


def vocabulary(facts: TokenFacts, *, num_embeddings: int | None) -> Finding:
    """Every token needs a row in the model's embedding table."""
    if num_embeddings is None:
        return Finding("vocabulary", "ok", f"{facts.num_tokens} tokens; the model has no table")
    found = f"{facts.num_tokens} tokens for an embedding table of {num_embeddings} rows"
    if facts.num_tokens <= num_embeddings:
        return Finding("vocabulary", "ok", found)
    fix = "tokenizer and model do not belong together: download both again from one place"
    return Finding("vocabulary", "problem", found, fix)


def end_tokens(facts: TokenFacts, *, pooling: str | None, causal: bool | None) -> Finding:
    """Whether the token that ``pooling`` takes can have read the text.

    Args:
        facts: Of the tokenizer.
        pooling: None for a sentence-transformers model's own.
        causal: Whether tokens see only what stands before them; None if that is not known.
    """
    found = (
        f"a text opens with {' '.join(facts.opens) or 'nothing'} "
        f"and closes with {' '.join(facts.closes) or 'nothing'}"
    )
    if causal is not None:
        found += "; the model is causal" if causal else "; tokens see the whole text"
    verdict, fix = "warning", ""
    if pooling == "first_token" and causal:
        verdict = "problem"
        fix = "the first token has read nothing of the text: pooling='mean' or 'last_token'"
    elif pooling == "first_token" and not facts.opens:
        fix = "the first token is a word, not a [CLS]: try pooling='mean'"
    elif pooling == "last_token" and not causal:
        fix = "the last token of such a model is rarely trained to sum up: try pooling='mean'"
    elif pooling == "last_token" and not facts.closes:
        fix = (
            "right for plain language models; an embedding model trained with a closing token "
            "needs a tokenizer that adds it"
        )
    return Finding("opening and closing tokens", verdict if fix else "ok", found, fix)
