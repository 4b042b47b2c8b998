"""A plain-PyTorch witness of how the study's released code tunes the top blocks of an encoder.

As there, the states that enter the tuned blocks are made once and kept; then every slot of a batch
goes through the tuned blocks, whatever it holds: items that repeat, padding slots, and each text
padded to 30 tokens. It imports nothing from `tcf`. `benchmarks/finetune.py` times it beside `tcf`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import AutoModel, AutoTokenizer

from benchmarks.witness import WitnessHistories, WitnessSASRec, witness_loss

NUM_TOKENS = 30


class WitnessTuned(nn.Module):
    """SASRec over texts read by a BERT of which the top blocks are trained.

    Args:
        folder: The encoder's files.
        texts: One an item; row 0 is padding and has none.
        num_tuned: Blocks from the top that are trained.
        dim: Model width ``D``.
    """

    def __init__(self, folder: Path, texts: Sequence[str], *, num_tuned: int, dim: int = 64):
        super().__init__()
        bert = AutoModel.from_pretrained(folder).eval()
        tokenizer = AutoTokenizer.from_pretrained(folder)
        self.states, self.masks = _cached_states(bert, tokenizer, texts, num_tuned=num_tuned)
        self.blocks = bert.encoder.layer[-num_tuned:]
        self.projector = nn.Sequential(
            nn.Linear(bert.config.hidden_size, dim),
            nn.GELU(),
            nn.Dropout(0.1),
            nn.Linear(dim, dim),
            nn.GELU(),
        )
        for layer in self.projector:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
        self.user_model = WitnessSASRec(0, dim=dim)  # its table of no items is not used

    def pooled(self, slots: Tensor) -> Tensor:
        """Text vectors ``(m, E)`` of ``(m,)`` slots."""
        hidden, mask = self.states[slots], self.masks[slots]
        blocked = torch.zeros_like(mask, dtype=hidden.dtype)
        blocked.masked_fill_(~mask, torch.finfo(hidden.dtype).min)
        for block in self.blocks:
            hidden = block(hidden, blocked[:, None, None, :])
        weight = mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)

    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW with the published rates of the encoder and of the rest."""
        rest = [*self.projector.parameters(), *self.user_model.parameters()]
        return torch.optim.AdamW(
            [
                {"params": list(self.blocks.parameters()), "lr": 5e-5, "weight_decay": 0.01},
                {"params": rest, "lr": 1e-3, "weight_decay": 0.1},
            ],
            fused=True,
        )


def witness_tuned_epoch(
    model: WitnessTuned,
    histories: Sequence[np.ndarray],
    log_popularity: Tensor,
    optimizer: torch.optim.Optimizer,
    *,
    seed: int,
    num_batches: int,
    batch_size: int = 64,
    autocast: bool = False,
) -> None:
    """Train ``model`` in place on the first batches of an epoch, 64 users each."""
    loader = DataLoader(
        WitnessHistories(histories),
        batch_size=batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
    )
    model.train()
    for number, (slots, mask) in enumerate(loader):
        if number == num_batches:
            break
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            vectors = model.projector(model.pooled(slots.flatten())).view(*slots.shape, -1)
            users = model.user_model(vectors[:, :-1], slots[:, :-1] != 0)
        loss = witness_loss(users.float(), vectors.float(), slots, mask, log_popularity)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def _cached_states(
    bert: nn.Module, tokenizer: object, texts: Sequence[str], *, num_tuned: int
) -> tuple[Tensor, Tensor]:
    """What enters the tuned blocks ``(N + 1, 30, E)``, and which tokens are real."""
    states, masks = [], []
    for start in range(0, len(texts), 64):
        made = tokenizer(
            list(texts[start : start + 64]),
            padding="max_length",
            truncation=True,
            max_length=NUM_TOKENS,
            return_tensors="pt",
        )
        hidden = bert(**made, output_hidden_states=True).hidden_states[-1 - num_tuned]
        states.append(hidden)
        masks.append(made["attention_mask"].bool())
    padding = torch.zeros(1, NUM_TOKENS, states[0].shape[-1])
    nothing = torch.zeros(1, NUM_TOKENS, dtype=torch.bool)
    return torch.cat([padding, *states]), torch.cat([nothing, *masks])
