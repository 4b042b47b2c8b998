"""A tuned encoder as a sentence-transformers folder."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import nn

from tcf._util import lookup
from tcf.encode.backends.loading import load_model, load_tokenizer, quiet
from tcf.errors import EncoderError
from tcf.model.layers import Dropout
from tcf.model.tuned import TunedTextTower

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["export_encoder", "export_tower"]

_POOLINGS = {"first_token": "cls", "last_token": "lasttoken", "mean": "mean"}
# by their names and defaults, which is how sentence-transformers makes them again
_ACTIVATIONS = {repr(kind()) for kind in (nn.GELU, nn.ReLU, nn.SiLU, nn.Tanh, nn.Identity)}


def export_encoder(
    model: "PreTrainedModel",
    tokenizer: Any,
    folder: Path,
    *,
    pooling: str,
    max_tokens: int,
    prompt: str = "{text}",
    projector: nn.Sequential | None = None,
) -> None:
    """Write an encoder so that ``SentenceTransformer(folder).encode`` gives the tower's vectors.

    Args:
        model: The language model; with a head, the model below it is written.
        tokenizer: Its own.
        folder: Made; must not be there yet.
        pooling: ``"mean"``, ``"last_token"`` or ``"first_token"``.
        max_tokens: Texts are cut there, special tokens included.
        prompt: Template that ends with ``{text}``.
        projector: Linear layers with activations, and dropout, which does nothing any more; None:
            the pooled states as they are.

    Raises:
        ValueError: If there is no such pooling, or the folder is there.
        EncoderError: If sentence-transformers cannot do the same: a prompt that goes on after the
            text, or a projector of other layers.
    """
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    mode: Any = lookup(_POOLINGS, pooling, "pooling")
    if folder.exists():
        raise ValueError(f"{folder}: the encoder is written to a new folder; this one is there")
    start, _, end = prompt.partition("{text}")
    if end or "{text}" not in prompt:
        raise EncoderError(
            f"sentence-transformers puts a prompt before the text; the template must end with "
            f"{{text}}, got {prompt!r}"
        )
    dense = _dense(projector)
    body: Any = model.base_model
    with tempfile.TemporaryDirectory() as plain, quiet():
        body.save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        loading = {"dtype": torch.float32}
        transformer: Any = Transformer(plain, max_seq_length=max_tokens, model_kwargs=loading)
        if transformer.tokenizer.pad_token is None:  # any will do: the mask hides it
            transformer.tokenizer.pad_token = transformer.tokenizer.eos_token
        width = transformer.get_embedding_dimension()
        prompts: dict[str, Any] = {}
        if start:
            prompts = {"prompts": {"item": start}, "default_prompt_name": "item"}
        modules = [transformer, Pooling(width, mode), *dense]
        whole = SentenceTransformer(modules=modules, device="cpu", **prompts)
        whole.save(str(folder), create_model_card=False)


def export_tower(tower: TunedTextTower, folder: Path) -> None:
    """Write a tuned tower, encoder and projector, as `export_encoder` does.

    Args:
        tower: As it stands; LoRA is merged into the weights that it adds to.
        folder: Made; must not be there yet.

    Raises:
        ValueError: If the folder is there.
        EncoderError: If sentence-transformers cannot do the same, as with adapters.
    """
    states, encoder = tower.states, tower.encoder
    weights = {
        name.removeprefix(encoder.prefix): weight for name, weight in encoder.weights().items()
    }
    trusted = states.trust_remote_code
    model, _ = load_model(
        states.folder,
        dtype=torch.float32,
        device=torch.device("cpu"),
        trust_remote_code=trusted,
    )
    surplus = model.load_state_dict(weights, strict=False).unexpected_keys
    assert not surplus, surplus
    export_encoder(
        cast("PreTrainedModel", model),
        load_tokenizer(states.folder, trust_remote_code=trusted),
        folder,
        pooling=states.pooling,
        max_tokens=states.manifest["encoder"]["max_tokens"],
        prompt=states.manifest["prompt"],
        projector=tower.projector,
    )


def _dense(projector: nn.Sequential | None) -> list[nn.Module]:
    """Return a sentence-transformers layer for each linear one, with the activation after it."""
    from sentence_transformers.sentence_transformer.modules import Dense

    layers: list[tuple[nn.Linear, nn.Module]] = []
    for layer in projector or ():
        if isinstance(layer, Dropout | nn.Dropout):
            continue
        if isinstance(layer, nn.Linear):
            layers.append((layer, nn.Identity()))
        elif layers and isinstance(layers[-1][1], nn.Identity) and repr(layer) in _ACTIVATIONS:
            layers[-1] = layers[-1][0], layer
        else:
            raise EncoderError(
                "sentence-transformers has dense layers, each with one activation; the projector "
                f"holds {layer!r} where it cannot have it"
            )
    return [
        Dense(
            linear.in_features,
            linear.out_features,
            bias=linear.bias is not None,
            activation_function=activation,
            init_weight=_copy(linear.weight),
            init_bias=None if linear.bias is None else _copy(linear.bias),
        )
        for linear, activation in layers
    ]


def _copy(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().float().cpu().clone()
