"""AdamW that costs what a step touches, not what the tables hold."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class RowAdamW:
    """AdamW for embedding tables with sparse gradients, as if every row were updated at every step.

    In AdamW a row that a step does not touch still moves: its moments fade and its weights decay.
    For a row idle since step ``t0`` those moves add up to
    ``p <- decay * p - tail * m / (sqrt(v) + eps')``, where ``decay``, ``tail`` and ``eps'``, the
    mean of those steps, depend on ``t0`` and the present step alone. They are kept for each ``t0``;
    `refresh` applies them to the rows a batch needs, before it reads them. Equal to
    `torch.optim.AdamW` up to rounding and to how eps shifts against sqrt(v) while a row is idle
    (docs/decisions/0003).

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
        self._tail_eps = torch.zeros(1, dtype=torch.float64)
        self._moments = [  # (num_rows, 2, D): first, second
            torch.zeros_like(t.weight, requires_grad=False).unsqueeze(1).repeat(1, 2, 1)
            for t in tables
        ]
        self._last = [
            torch.zeros(t.num_embeddings, dtype=torch.int64, device=t.weight.device) for t in tables
        ]
        self._held: list[tuple[Tensor, Tensor, Tensor, Tensor] | None] = [None] * len(tables)

    @torch.no_grad()
    def refresh(self, table: int, rows: Tensor) -> None:
        """Bring rows of a table up to the present step; the next `step` updates the same ones.

        Args:
            table: Index among the tables.
            rows: ``(n,)`` distinct rows, in the order in which the model will look them up.
        """
        weight, first, second = self._up_to_date(table, rows)
        self.tables[table].weight[rows] = weight
        self._held[table] = rows, weight, first, second

    @torch.no_grad()
    def step(self) -> None:
        """Update the refreshed rows by their gradient, and count an idle step for all others.

        Raises:
            RuntimeError: If the gradient is of other rows than the refreshed ones.
        """
        self.num_steps += 1
        beta1, beta2 = self.betas
        bias1, bias2 = 1 - beta1**self.num_steps, 1 - beta2**self.num_steps
        for number, table in enumerate(self.tables):
            gradient, held = table.weight.grad, self._held[number]
            if gradient is None or held is None or not gradient._indices()[0].equal(held[0]):
                raise RuntimeError("a step needs the gradient of exactly the refreshed rows")
            rows, weight, m, v = held
            g = gradient._values()
            m = torch.lerp(m, g, 1 - beta1)
            v = torch.lerp(v, g.square(), 1 - beta2)
            move = m / (v.sqrt().div_(bias2**0.5).add_(self.eps))
            kept = weight.mul_(1 - self.lr * self.weight_decay)
            table.weight[rows] = kept.sub_(move, alpha=self.lr / bias1)
            self._moments[number][rows] = torch.stack((m, v), dim=1)
            self._last[number][rows] = self.num_steps
            table.weight.grad = self._held[number] = None
        self._extend()

    @torch.no_grad()
    def skip(self) -> None:
        """Let the refreshed rows be as they are, and forget the gradients: no step was made."""
        for number, (table, held) in enumerate(zip(self.tables, self._held, strict=True)):
            if held is not None:
                rows, _, m, v = held
                self._moments[number][rows] = torch.stack((m, v), dim=1)
                self._last[number][rows] = self.num_steps
            table.weight.grad = self._held[number] = None

    def refreshed(self, table: int) -> Tensor:
        """Return the ``(n,)`` rows of a table that the next `step` updates."""
        held = self._held[table]
        assert held is not None
        return held[0]

    def state(self) -> dict[str, Tensor]:
        """Return, between two steps, everything but the tables; idle rows stay as they are."""
        held = {"decay": self._decay, "tail": self._tail, "tail_eps": self._tail_eps}
        for number, (moments, last) in enumerate(zip(self._moments, self._last, strict=True)):
            held |= {f"moments.{number}": moments, f"last.{number}": last}
        return {**held, "steps": torch.tensor([self.num_steps, self._flushed])}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state, the tables being as they were then."""
        self.num_steps, self._flushed = state["steps"].tolist()
        self._decay, self._tail = state["decay"], state["tail"]
        self._tail_eps = state["tail_eps"]
        for number, (moments, last) in enumerate(zip(self._moments, self._last, strict=True)):
            moments.copy_(state[f"moments.{number}"])
            last.copy_(state[f"last.{number}"])

    @torch.no_grad()
    def flush(self) -> None:
        """Bring every row up to the present step, before the tables are read as a whole."""
        for number, table in enumerate(self.tables):
            for rows in torch.arange(table.num_embeddings, device=table.weight.device).split(8192):
                weight, m, v = self._up_to_date(number, rows)
                table.weight[rows] = weight
                self._moments[number][rows] = torch.stack((m, v), dim=1)
            self._last[number].fill_(self.num_steps)
        self._flushed = self.num_steps
        self._decay = self._decay.new_ones(1)
        self._tail, self._tail_eps = self._decay.new_zeros(1), self._decay.new_zeros(1)

    def _up_to_date(self, table: int, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return weight and moments of these rows as they are after the present step."""
        since = self._last[table][rows]
        idle = (self.num_steps - since).double()  # integers would give powers in float32
        m, v = self._moments[table][rows].unbind(1)
        idle_since = since - self._flushed
        sums = (self._decay, self._tail, self._tail_eps)
        kept, tail, tail_eps = (held.to(since.device)[idle_since] for held in sums)
        ages = torch.stack(
            (
                kept,
                tail,
                torch.where(idle > 0, tail_eps / tail, self.eps),
                self.betas[0] ** idle,
                self.betas[1] ** idle,
            )
        )
        decay, tail, eps, fade1, fade2 = ages.to(m.dtype).unsqueeze(2)  # each (n, 1)
        weight = self.tables[table].weight[rows].mul_(decay)
        weight.sub_(tail * m / (v.sqrt().add_(eps)))
        return weight, m * fade1, v * fade2

    def _extend(self) -> None:
        """Add the present step's move of an idle row to the sums of every earlier ``t0``."""
        beta1, beta2 = self.betas
        kept = 1 - self.lr * self.weight_decay
        age = torch.arange(len(self._decay), 0, -1, dtype=torch.float64)
        bias2 = (1 - beta2**self.num_steps) ** 0.5
        move = self.lr * bias2 / (1 - beta1**self.num_steps) * (beta1 / beta2**0.5) ** age
        eps = self.eps * bias2 / beta2 ** (age / 2)  # against the sqrt(v) of t0
        new = self._decay.new_zeros(1)
        self._decay = torch.cat([self._decay * kept, new + 1])
        self._tail = torch.cat([self._tail * kept + move, new])
        self._tail_eps = torch.cat([self._tail_eps * kept + move * eps, new])
