"""AdamW that costs what a step touches, not what the tables hold."""

import torch
from torch import Tensor, nn


class RowAdamW:
    """AdamW for embedding tables with sparse gradients, as if every row were updated at every step.

    In AdamW a row that a step does not touch still moves: its moments fade and its weights decay.
    For a row idle since step ``t0`` those moves add up to
    ``p <- decay * p - tail * m / (sqrt(v) + eps')``, where ``decay`` and ``tail`` depend on ``t0``
    and the present step alone. They are kept for each ``t0``; `refresh` applies them to the rows a
    batch needs, before it reads them. Equal to `torch.optim.AdamW` up to rounding and to how eps
    shifts while a row is idle (docs/decisions/0003).

    Args:
        tables: Embeddings built with ``sparse=True``.
        lr: Learning rate.
        weight_decay: Decoupled weight decay.
        betas: Decay of the two moments.
        eps: Added to the root of the second moment.

    Source: Loshchilov & Hutter, ICLR 2019.
    """

    def __init__(
        self,
        tables: list[nn.Embedding],
        *,
        lr: float,
        weight_decay: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        self.lr, self.weight_decay, self.betas, self.eps = lr, weight_decay, betas, eps
        self.tables = tables
        self.num_steps = 0
        self._flushed = 0  # the step at which every row was last up to date
        self._decay = torch.ones(1, dtype=torch.float64)  # [t0 - flushed]
        self._tail = torch.zeros(1, dtype=torch.float64)
        self._state = [
            (
                torch.zeros_like(t.weight),
                torch.zeros_like(t.weight),
                torch.zeros(t.num_embeddings, dtype=torch.int64, device=t.weight.device),
            )
            for t in tables
        ]

    @torch.no_grad()
    def refresh(self, table: int, rows: Tensor) -> None:
        """Bring these distinct rows of a table up to the present step."""
        weight = self.tables[table].weight
        first, second, last = self._state[table]
        since = last[rows]
        idle = self.num_steps - since
        m, v = first[rows], second[rows]
        decay, tail = (c[since - self._flushed] for c in (self._decay, self._tail))
        # eps against sqrt(v) as in the first idle step, where the fading momentum is largest
        eps = self.eps * ((1 - self.betas[1] ** (since + 1.0)) / self.betas[1]).sqrt()
        moved = tail.to(m.dtype)[:, None] * m / (v.sqrt() + eps.to(m.dtype)[:, None])
        weight[rows] = decay.to(m.dtype)[:, None] * weight[rows] - moved
        first[rows] = m * (self.betas[0] ** idle.to(m.dtype))[:, None]
        second[rows] = v * (self.betas[1] ** idle.to(m.dtype))[:, None]
        last[rows] = self.num_steps

    @torch.no_grad()
    def step(self) -> None:
        """Update the rows that have a gradient; they must have been refreshed since the last step."""
        self.num_steps += 1
        beta1, beta2 = self.betas
        bias1, bias2 = 1 - beta1**self.num_steps, 1 - beta2**self.num_steps
        for table, (first, second, last) in zip(self.tables, self._state, strict=True):
            if table.weight.grad is None:
                continue
            gradient = table.weight.grad.coalesce()
            rows, g = gradient.indices()[0], gradient.values()
            m = torch.lerp(first[rows], g, 1 - beta1)
            v = torch.lerp(second[rows], g.square(), 1 - beta2)
            first[rows], second[rows], last[rows] = m, v, self.num_steps
            step = (self.lr / bias1) * m / ((v / bias2).sqrt() + self.eps)
            table.weight[rows] = (1 - self.lr * self.weight_decay) * table.weight[rows] - step
            table.weight.grad = None
        self._extend()

    def flush(self) -> None:
        """Bring every row up to the present step, before the tables are read as a whole."""
        for number, table in enumerate(self.tables):
            for rows in torch.arange(table.num_embeddings).split(8192):
                self.refresh(number, rows.to(table.weight.device))
        self._flushed = self.num_steps
        self._decay, self._tail = self._decay.new_ones(1), self._tail.new_zeros(1)

    def _extend(self) -> None:
        """Add the present step's move of an idle row to the sums of every earlier ``t0``."""
        beta1, beta2 = self.betas
        kept = 1 - self.lr * self.weight_decay
        age = torch.arange(len(self._decay), 0, -1, dtype=torch.float64)
        size = self.lr * (1 - beta2**self.num_steps) ** 0.5 / (1 - beta1**self.num_steps)
        self._decay = torch.cat([self._decay * kept, self._decay.new_ones(1)])
        self._tail = torch.cat(
            [self._tail * kept + size * (beta1 / beta2**0.5) ** age, self._tail.new_zeros(1)]
        )
