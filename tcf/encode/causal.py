"""A causal language model with its head: what each token of a text costs it, in nats."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from tcf.encode.backends.files import is_sentence_transformer, locate
from tcf.encode.backends.loading import forward_of, load_tokenizer, quiet, read_config
from tcf.encode.backends.prefix import SharedPrefix, is_causal, keeps_the_past
from tcf.encode.backends.processor import pick_device, pick_dtype
from tcf.encode.backends.resolve import is_static
from tcf.encode.backends.tokens import Tokens
from tcf.encode.batching import batches, run_with_backoff
from tcf.encode.spec import EncoderSpec
from tcf.errors import EncoderError

__all__ = ["LanguageModel", "TokenLosses"]

_LOGITS = 1 << 26  # numbers held at a time


class TokenLosses(NamedTuple):
    """Of each token of a text: its loss in nats, and whether no other token was likelier."""

    loss: np.ndarray
    likeliest: np.ndarray


class LanguageModel:
    """A causal language model with its tokenizer, checked to be one.

    Args:
        spec: Of the model.
        device: Torch device, or None; the dtype is float32 unless the spec names another.

    Raises:
        EncoderError: If it is none, cannot be loaded, or its files lack the head.
    """

    def __init__(self, spec: EncoderSpec, *, device: str | None) -> None:
        folder = _folder(spec)
        self._device = torch.device(pick_device(device))
        dtype = "float32" if spec.dtype == "auto" else pick_dtype(spec.dtype, str(self._device))
        trust = spec.trust_remote_code
        self._tokenizer = load_tokenizer(folder, trust_remote_code=trust)
        names = ("bos_token_id", "eos_token_id", "cls_token_id", "pad_token_id")
        ids = (getattr(self._tokenizer, name, None) for name in names)
        self._start = next((token for token in ids if token is not None), 0)
        model, missing = _load(folder, getattr(torch, dtype), trust)
        model = model.eval().to(self._device)
        self._forward: Callable[..., Any] = forward_of(model)
        self._keeps_the_past = keeps_the_past(model)
        text = model.config.get_text_config()
        self.max_tokens: int | None = getattr(text, "max_position_embeddings", None)
        """Positions of the model, the starting token's among them; None where it does not say."""
        self._batch_tokens = max(1, _LOGITS // text.vocab_size)
        self._check(folder, missing)

    def _check(self, folder: Path, missing: set[str]) -> None:
        sample = self._tokens(self.ids(["one two three four five", "a b c d e f g"]))
        if is_causal(self._logits, sample) is False:
            raise EncoderError(
                f"{folder}: a causal language model is needed, which predicts each word from those "
                "before it; in this one words see what follows them: take a decoder-only model"
            )
        if missing:
            raise EncoderError(
                f"{folder}: a causal language model with its head is needed; its files lack "
                f"{sorted(missing)[0]}: take a checkpoint that was saved with it"
            )

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, special tokens left out."""
        rows = self._tokenizer(
            list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False
        )  # a text may be longer than the model: who reads it cuts it
        return rows["input_ids"]

    def read(
        self, rows: Sequence[list[int]], *, advance: Callable[[int], None] | None = None
    ) -> list[TokenLosses]:
        """Return what the model makes of the tokens of each row, in batches of like length.

        Args:
            rows: Token ids.
            advance: Hears how many rows have been read.
        """
        tokens = self._tokens(rows)
        lengths = tokens.lengths - 1
        found: dict[int, TokenLosses] = {}

        def run(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            arrays = tokens.padded(at, side="right")
            target = torch.from_numpy(arrays["input_ids"][:, 1:]).to(self._device)
            logits = self._logits(arrays)[:, :-1].float()
            loss = torch.nn.functional.cross_entropy(
                logits.transpose(1, 2), target, reduction="none"
            )
            return loss.double().cpu().numpy(), (logits.argmax(2) == target).cpu().numpy()

        ready = batches(tokens.lengths, batch_tokens=self._batch_tokens)
        for at, (loss, likeliest) in run_with_backoff(ready, run):
            for place, row in enumerate(at.tolist()):
                count = lengths[row]
                found[row] = TokenLosses(loss[place, :count], likeliest[place, :count])
            if advance is not None:
                advance(len(at))
        return [found[row] for row in range(len(rows))]

    def read_after(self, prefix: list[int], rows: Sequence[list[int]]) -> list[np.ndarray]:
        """Return the loss of each token of each row, in nats, where ``prefix`` stands before it.

        The prefix is run once where the model can go on from its keys and values, and else with
        every row; the losses agree to about 1e-5.

        Args:
            prefix: Token ids.
            rows: Token ids, at least one each.
        """
        begun = [self._start, *prefix]
        shared = SharedPrefix(self._states, self._inputs([begun])) if self._keeps_the_past else None
        if shared is None or not shared.is_kept:
            whole = self.read([[*prefix, *row] for row in rows])
            return [losses.loss[len(prefix) :] for losses in whole]
        size = max(1, self._batch_tokens // (len(begun) + max(map(len, rows))))
        parts = (rows[at : at + size] for at in range(0, len(rows), size))
        return [losses for part in parts for losses in self._continued(shared, part)]

    def _continued(self, shared: SharedPrefix, rows: Sequence[list[int]]) -> list[np.ndarray]:
        inputs = self._inputs(rows)
        with torch.inference_mode():
            own, _ = shared.rest(inputs)
            first = shared.last(0)[:, None].expand(len(rows), -1, -1)
            logits = torch.cat([first, own[0][:, :-1]], dim=1).float()
            loss = torch.nn.functional.cross_entropy(
                logits.transpose(1, 2), inputs["input_ids"], reduction="none"
            )
        losses = loss.double().cpu().numpy()
        return [losses[place, : len(row)] for place, row in enumerate(rows)]

    def _inputs(self, rows: Sequence[list[int]]) -> dict[str, torch.Tensor]:
        """Return the model inputs of rows as they are, positions among them."""
        offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
        tokens = Tokens({"input_ids": np.concatenate(rows).astype(np.int32)}, offsets, 0)
        arrays = tokens.padded(np.arange(len(rows)), side="right")
        inputs = {name: torch.from_numpy(a).to(self._device) for name, a in arrays.items()}
        inputs["position_ids"] = torch.arange(
            inputs["input_ids"].shape[1], device=self._device
        ).expand(len(rows), -1)
        return inputs

    def _states(self, inputs: dict[str, Any]) -> dict[int, torch.Tensor]:
        return {0: self._forward(inputs).logits}

    def _tokens(self, rows: Sequence[list[int]]) -> Tokens:
        """Return rows behind a token that starts a text, so that the first word counts too."""
        flat = np.concatenate([[self._start, *row] for row in rows]).astype(np.int32)
        offsets = np.concatenate([[0], np.cumsum([len(row) + 1 for row in rows])])
        return Tokens({"input_ids": flat}, offsets, 0)

    def _logits(self, arrays: dict[str, np.ndarray]) -> torch.Tensor:
        inputs = {name: torch.from_numpy(a).to(self._device) for name, a in arrays.items()}
        with torch.inference_mode():
            return self._forward(inputs).logits


def _folder(spec: EncoderSpec) -> Path:
    """Return the folder of the model; what is no bare transformer is refused."""
    folder = None
    if not is_static(spec.name):
        folder = locate(spec.name, revision=spec.revision, code=spec.trust_remote_code)
    if folder is None or is_sentence_transformer(folder):
        raise EncoderError(
            f"{spec.display_name}: a causal language model with its head is needed; this is none, "
            "and cannot say how likely a text is: take a decoder-only model"
        )
    return folder


def _load(folder: Path, dtype: torch.dtype, trust: bool) -> tuple[Any, set[str]]:
    """Return the model with its head, and the names of weights its files did not hold."""
    from transformers import AutoModelForCausalLM

    config = read_config(folder, trust_remote_code=trust)
    if getattr(config, "is_encoder_decoder", False):
        raise EncoderError(
            f"{folder}: a causal language model is needed; this is an encoder-decoder: take a "
            "decoder-only model"
        )
    try:
        with quiet():
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                config=config,
                dtype=dtype,
                output_loading_info=True,
                trust_remote_code=trust,
            )
    except Exception as error:  # an architecture without such a head, a truncated weight file
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise EncoderError(
            f"{folder}: a causal language model with its head is needed; none could be loaded "
            f"({reason})"
        ) from error
    model, report = loaded
    return model, set(report["missing_keys"])
