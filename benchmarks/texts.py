"""Generated titles with the token lengths of book titles, and the OPT-shaped models that read them.

Everything follows from seeds, so two machines time the same work: 15 tokens on average, the 99th
percentile at 38, and a tokenizer for which one word is one token.
"""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

__all__ = [
    "MAX_TOKENS",
    "MEAN_TOKENS",
    "P99_TOKENS",
    "make_model",
    "make_tokenizer",
    "titles",
    "token_lengths",
    "words",
]

MEAN_TOKENS, P99_TOKENS = 15, 38  # before any cut
MAX_TOKENS = 30  # where texts are cut, as by default in `encode_items`
SPECIAL = ["<mask>", "<pad>", "</s>", "<unk>"]  # padding is 1 and </s> is 2, as in OPT
VOCABULARY_SIZE = 50272  # OPT's
SHAPES = {
    "tiny": {"width": 32, "feed": 64, "blocks": 2, "heads": 2},
    "opt-384": {"width": 384, "feed": 384, "blocks": 1, "heads": 6},  # cheap, E = 384
    "opt-125m": {"width": 768, "feed": 3072, "blocks": 12, "heads": 12},
    "opt-1.3b": {"width": 2048, "feed": 8192, "blocks": 24, "heads": 32},
}


def token_lengths(num_texts: int, *, seed: int = 0) -> np.ndarray:
    """Return ``(num_texts,)`` int lengths in tokens, the opening ``</s>`` included, before any cut.

    They are quantiles of the log-normal distribution with this mean and 99th percentile, in random
    order, so that a small sample has the profile too.
    """
    # mean = exp(m + s^2 / 2) and p99 = exp(m + z s), so s is a root of s^2 / 2 - z s + c.
    z, c = ndtri(0.99), np.log(P99_TOKENS / MEAN_TOKENS)
    spread = z - np.sqrt(z * z - 2 * c)
    centre = np.log(MEAN_TOKENS) - spread**2 / 2
    shares = (np.arange(num_texts) + 0.5) / num_texts
    lengths = np.rint(np.exp(centre + spread * ndtri(shares))).astype(np.int64)
    return np.random.default_rng(seed).permutation(np.maximum(lengths, 2))


def words() -> list[str]:
    """Return the distinct pronounceable words that fill the vocabulary, always the same."""
    syllables = ["".join(pair) for pair in itertools.product("bdflmnrstvwx", "aeiou")]
    made = ("".join(parts) for n in (1, 2, 3) for parts in itertools.product(syllables, repeat=n))
    return list(itertools.islice(made, VOCABULARY_SIZE - len(SPECIAL)))


def titles(num_texts: int, *, seed: int = 0) -> list[str]:
    """Return ``num_texts`` titles of frequent and rare words (Zipf), as long as `token_lengths`."""
    lengths = token_lengths(num_texts, seed=seed) - 1  # the tokenizer opens each text with </s>
    vocabulary = words()
    weights = 1 / np.arange(1, len(vocabulary) + 1)
    drawn = np.random.default_rng(seed + 1).choice(
        len(vocabulary), size=int(lengths.sum()), p=weights / weights.sum()
    )
    ends = np.cumsum(lengths)
    return [
        " ".join(vocabulary[word] for word in drawn[end - length : end])
        for length, end in zip(lengths, ends, strict=True)
    ]


def make_tokenizer() -> Any:
    """Return the word-level tokenizer of `words`, which opens each text with ``</s>`` as OPT's."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: place for place, token in enumerate([*SPECIAL, *words()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="</s> $A", special_tokens=[("</s>", SPECIAL.index("</s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="</s>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=2048,
    )


def make_model(folder: Path, shape: str, *, dtype: str = "float32") -> Path:
    """Return ``folder``, holding an OPT model of random weights and its tokenizer; made once.

    Args:
        folder: Where it goes. One that has a tokenizer, which is written last, is left alone.
        shape: Key of `SHAPES`.
        dtype: Torch dtype of the saved weights.
    """
    import torch
    from transformers import AutoModel, OPTConfig

    if (folder / "tokenizer.json").is_file():
        return folder
    size = SHAPES[shape]
    config = OPTConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=size["width"],
        word_embed_proj_dim=size["width"],
        ffn_dim=size["feed"],
        num_hidden_layers=size["blocks"],
        num_attention_heads=size["heads"],
    )
    torch.manual_seed(0)
    model = AutoModel.from_config(config, dtype=getattr(torch, dtype))
    model.eval().save_pretrained(folder, max_shard_size="500MB")
    make_tokenizer().save_pretrained(folder)
    return folder
