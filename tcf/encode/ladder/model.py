"""A size as a model: its start and its learning rates by the recipe's rule, and how it is saved."""

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from tcf.encode.backends.loading import quiet
from tcf.encode.ladder.recipe import Recipe
from tcf.encode.ladder.sizes import Size

__all__ = ["build", "parameter_groups", "save"]

_DRAWN = 0.5  # deviation of a sum over a matrix's inputs; OPT's 0.02 has it at width 768
_DRAWN_TABLE = 0.1  # learns faster than OPT's 0.02: docs/decisions/0018


def build(size: Size, recipe: Recipe, *, vocab_size: int, seed: int) -> Any:
    """Return the model untrained, its head the table of tokens."""
    from transformers import OPTConfig, OPTForCausalLM

    config = OPTConfig(
        vocab_size=vocab_size,
        hidden_size=size.hidden,
        word_embed_proj_dim=size.hidden,
        num_hidden_layers=size.layers,
        num_attention_heads=size.heads,
        ffn_dim=size.inner,
        max_position_embeddings=recipe.max_tokens,
        dropout=0.0,
        attention_dropout=0.0,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=1,
    )
    with torch.random.fork_rng(devices=[]):  # Transformers draws weights from the global generator
        torch.default_generator.manual_seed(seed)
        model = OPTForCausalLM(config)
        if recipe.rule == "mup":
            _draw(model, size)
    if recipe.dtype != "float32":  # torch's fused attention goes backward slowly in it on a CPU
        model.set_attn_implementation("eager")
    return model


def parameter_groups(model: nn.Module, size: Size, recipe: Recipe) -> list[dict[str, Any]]:
    """Return AdamW's groups with their peak rates: the blocks' matrices, and all else."""
    peaks = recipe.rates(size.hidden, size.layers)
    if peaks[0] == peaks[1]:
        return [{"params": list(model.parameters()), "peak": peaks[0]}]
    matrices = [layer.weight for _, layer in _linear(model)]
    known = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in known]
    return [
        {"params": part, "peak": peak} for part, peak in zip((matrices, others), peaks, strict=True)
    ]


def save(model: Any, tokenizer: Tokenizer, folder: Path, *, logit_scale: float) -> None:
    """Write a Hugging Face folder that says what the trained model says, by any reader.

    A scale of the logits becomes part of the head, which then is a matrix apart from the table of
    tokens: the states, which encoders read, keep their own.
    """
    from transformers import PreTrainedTokenizerFast

    if logit_scale != 1.0:
        model.config.tie_word_embeddings = False
        model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach() * logit_scale)
    with quiet():
        model.save_pretrained(folder)
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>"
        ).save_pretrained(folder)


def _draw(model: Any, size: Size) -> None:
    """Draw tables alike in every width, and matrices so that what leaves them is as large."""
    for table in (model.model.decoder.embed_tokens, model.model.decoder.embed_positions):
        nn.init.normal_(table.weight, std=_DRAWN_TABLE)
        if table.padding_idx is not None:
            nn.init.zeros_(table.weight[table.padding_idx])
    for name, layer in _linear(model):
        deviation = _DRAWN / layer.in_features**0.5
        if name.endswith(("out_proj", "fc2")):  # added to the stream: Radford et al. (2019)
            deviation /= (2 * size.layers) ** 0.5
        nn.init.normal_(layer.weight, std=deviation)


def _linear(model: nn.Module) -> list[tuple[str, nn.Linear]]:
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name != "lm_head"
    ]
