"""A plain-PyTorch witness of how the study's released code trains and evaluates SASRec + ID.

It is written from the published description and does the same work in the same places, so that a
ratio against it says what `tcf` gains: evaluation sorts the whole catalogue once a user against a
dense label row; the loss scores every position against every slot of the batch, copies and padding
included, and compares each history with all of them; training reads its examples one by one in
Python. It imports nothing from `tcf`, and it is written to be read beside that description, not to
be used.

`benchmarks/train_evaluate.py` times it beside `tcf`.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

MAX_HISTORY = 20  # L: items of history that go in
EXCLUDED = -1e4  # what stands in the logits of a column that must not count


class WitnessSASRec(nn.Module):
    """SASRec over an item-ID table, as published: two post-norm blocks, two heads, ReLU, 4D.

    Args:
        num_items: Items in the catalogue; row 0 is padding, so the table has one row more.
        dim: Model width ``D``.
        dropout: Share of values dropped in training.
    """

    def __init__(self, num_items: int, *, dim: int = 64, dropout: float = 0.1):
        super().__init__()
        self.item_table = nn.Embedding(num_items + 1, dim, padding_idx=0)
        self.position_table = nn.Embedding(MAX_HISTORY, dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(_Block(dim, num_heads=2, dropout=dropout) for _ in range(2))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.xavier_normal_(module.weight)
            if isinstance(module, nn.Linear) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def forward(self, inputs: Tensor, present: Tensor) -> Tensor:
        """User vectors ``(B, L, D)`` from item vectors; ``present`` ``(B, L)``: not padding."""
        length = inputs.shape[1]
        positions = torch.arange(length).expand(len(inputs), length)
        states = self.dropout(self.norm(inputs + self.position_table(positions)))
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        blocked = ~(causal & present[:, None, :])[:, None]  # (B, 1, L, L)
        bias = torch.where(blocked, -1e9, 0.0).to(states.dtype)
        for block in self.blocks:
            states = block(states, bias)
        return states


class _Block(nn.Module):
    def __init__(self, dim: int, *, num_heads: int, dropout: float):
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(dim, dim, bias=False)
        self.key = nn.Linear(dim, dim, bias=False)
        self.value = nn.Linear(dim, dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.up = nn.Linear(dim, 4 * dim)
        self.down = nn.Linear(4 * dim, dim)
        self.attention_norm = nn.LayerNorm(dim, eps=1e-6)
        self.feed_norm = nn.LayerNorm(dim, eps=1e-6)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, bias: Tensor) -> Tensor:
        queries, keys, values = (
            part(states).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for part in (self.query, self.key, self.value)
        )  # (B, heads, L, D / heads)
        weights = queries @ keys.transpose(-1, -2) / queries.shape[-1] ** 0.5 + bias
        mixed = self.dropout(weights.softmax(-1)) @ values
        attended = self.dropout(self.out(mixed.transpose(1, 2).flatten(2)))
        states = self.attention_norm(states + attended)
        fed = self.down(functional.relu(self.up(states)))
        return self.feed_norm(states + self.dropout(fed))


class WitnessHistories(Dataset):
    """Training examples, made one at a time in Python and left-padded to ``L + 1`` slots.

    Args:
        histories: One array of item rows a user, oldest first.
    """

    def __init__(self, histories: Sequence[np.ndarray]):
        self.histories = histories

    def __len__(self) -> int:
        return len(self.histories)

    def __getitem__(self, user: int) -> tuple[Tensor, Tensor]:
        """Return the slots ``(L + 1,)`` and which of the ``(L,)`` input positions are real."""
        rows = list(self.histories[user])[-(MAX_HISTORY + 1) :]
        padding = MAX_HISTORY + 1 - len(rows)
        mask = [0] * padding + [1] * (len(rows) - 1)
        return torch.LongTensor([0] * padding + rows), torch.FloatTensor(mask)


def witness_loss(
    user_vectors: Tensor,
    item_vectors: Tensor,
    item_rows: Tensor,
    mask: Tensor,
    log_popularity: Tensor,
) -> Tensor:
    """Mean in-batch softmax with log-Q correction, over all ``B (L + 1)`` slots as columns.

    A column is left out for a user if it is padding or holds any item of that user's own slots,
    further copies of the target included; each position then gets its own target's slot back.

    Args:
        user_vectors: ``(B, L, D)``; position t predicts slot t + 1.
        item_vectors: ``(B, L + 1, D)``.
        item_rows: ``(B, L + 1)`` int, left-padded with 0.
        mask: ``(B, L)``, nonzero where both the position and its target are real items.
        log_popularity: ``(num_items + 1,)`` log share of each item in the training interactions.

    Source: Yi et al. (RecSys 2019) for the correction.
    """
    batch, length, dim = user_vectors.shape
    columns = item_rows.flatten()  # (B * (L + 1),)
    logits = user_vectors.reshape(-1, dim) @ item_vectors.reshape(-1, dim).t()
    logits -= log_popularity[columns]
    own = torch.arange(length)
    left_out = (columns == 0).repeat(batch, length, 1)  # (B, L, B * (L + 1))
    for user in range(batch):
        seen = (item_rows[user][:, None] == columns[None, :]).any(0)  # of (L + 1, B * (L + 1))
        left_out[user] |= seen
        left_out[user, own, user * (length + 1) + own + 1] = False
    logits.masked_fill_(left_out.view(batch * length, -1), EXCLUDED)
    targets = (torch.arange(batch)[:, None] * (length + 1) + own + 1).flatten()
    valid = torch.where(mask.flatten() != 0)[0]
    return functional.cross_entropy(logits[valid], targets[valid])


def witness_log_popularity(histories: Sequence[np.ndarray], *, num_items: int) -> Tensor:
    """Log share ``(num_items + 1,)`` of each item in the training data; 0 where it has none."""
    counts = np.bincount(np.concatenate(list(histories)), minlength=num_items + 1)
    shares = np.where(counts > 0, counts, counts.sum()) / counts.sum()
    return torch.from_numpy(np.log(shares)).float()


def witness_epoch(
    model: WitnessSASRec,
    histories: Sequence[np.ndarray],
    log_popularity: Tensor,
    *,
    seed: int,
    optimizer: torch.optim.Optimizer | None = None,
    batch_size: int = 64,
    num_batches: int | None = None,
) -> float:
    """Train ``model`` in place for one epoch and return its mean loss a batch.

    Args:
        model: What is trained.
        histories: Training rows of each user, oldest first.
        log_popularity: As for `witness_loss`.
        seed: Shuffles the users.
        optimizer: Carried between epochs; by default a fresh AdamW (lr 1e-3, weight decay 0.1).
        batch_size: Users a batch.
        num_batches: Stop after so many batches, to time a part of an epoch.
    """
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
    loader = DataLoader(
        WitnessHistories(histories),
        batch_size=batch_size,
        shuffle=True,
        generator=torch.Generator().manual_seed(seed),
    )
    model.train()
    losses = []
    for number, (item_rows, mask) in enumerate(loader):
        if number == num_batches:
            break
        item_vectors = model.item_table(item_rows)  # (B, L + 1, D)
        user_vectors = model(item_vectors[:, :-1], item_rows[:, :-1] != 0)
        loss = witness_loss(user_vectors, item_vectors, item_rows, mask, log_popularity)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return float(np.mean(losses))


@torch.no_grad()
def witness_vectors(
    model: WitnessSASRec, histories: Sequence[np.ndarray], *, batch_size: int = 64
) -> tuple[Tensor, Tensor]:
    """Encode in batches: user vectors ``(num_users, D)``, item vectors ``(num_items + 1, D)``."""
    model.eval()
    table = torch.cat(
        [
            model.item_table(rows)
            for rows in torch.arange(model.item_table.num_embeddings).split(batch_size)
        ]
    )
    users = []
    for start in range(0, len(histories), batch_size):
        part = [rows[-MAX_HISTORY:] for rows in histories[start : start + batch_size]]
        padded = np.stack([np.pad(rows, (MAX_HISTORY - len(rows), 0)) for rows in part])
        item_rows = torch.from_numpy(padded.astype(np.int64))
        users.append(model(table[item_rows], item_rows != 0)[:, -1])
    return torch.cat(users), table


@torch.no_grad()
def witness_ranks(
    user_vectors: Tensor, item_vectors: Tensor, targets: np.ndarray, known: Sequence[np.ndarray]
) -> tuple[float, float, np.ndarray]:
    """Rank each user's target by sorting the whole catalogue, one user at a time.

    Args:
        user_vectors: ``(num_users, D)``.
        item_vectors: ``(num_items + 1, D)``; row 0 is padding and is no candidate.
        targets: ``(num_users,)`` int, row of each target, 1 or more.
        known: Rows that each user is known to have; masked, but never the target.

    Returns:
        HR@10 and NDCG@10 as fractions, and the 1-based ranks ``(num_users,)``. Among equal scores
        the order is whatever the sort leaves.
    """
    num_items = len(item_vectors) - 1
    columns = item_vectors.t()
    places = torch.arange(1, num_items + 1, dtype=torch.float32)  # exact up to 2^24
    hits, gains, ranks = [], [], []
    for user, target in enumerate(targets):
        scores = user_vectors[user] @ columns
        target_score = scores[target].clone()
        scores[torch.as_tensor(known[user], dtype=torch.long)] = -torch.inf
        scores[target] = target_score
        labels = torch.zeros(num_items)
        labels[target - 1] = 1.0
        order = torch.argsort(scores[1:], descending=True)
        rank = int((torch.take(labels, order) * places).sum())
        ranks.append(rank)
        hits.append(float(rank <= 10))
        gains.append(float(1 / np.log2(rank + 1)) if rank <= 10 else 0.0)
    return float(np.mean(hits)), float(np.mean(gains)), np.array(ranks)


def witness_read(folder: str | Path) -> tuple[list[np.ndarray], int]:
    """Last 23 rows of each user with at least 5, from ``interactions.tsv.gz``; ``num_items``."""
    import polars as pl

    table = (
        pl.read_csv(Path(folder) / "interactions.tsv.gz", separator="\t")
        .sort("user_id", "timestamp", maintain_order=True)
        .filter(pl.len().over("user_id") >= 5)
        .group_by("user_id", maintain_order=True)
        .tail(23)
        .with_columns(row=pl.col("item_id").rank("dense").cast(pl.Int64))
    )
    users = table.group_by("user_id", maintain_order=True).agg("row")["row"]
    return [np.array(rows) for rows in users], int(table["row"].n_unique())
