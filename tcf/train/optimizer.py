"""One step for all parameters: tables by rows, the rest by torch, each group with its own rate."""

import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from tcf.data.batches import Batch
from tcf.model.losses import Loss
from tcf.model.recommender import Recommender
from tcf.train.config import TrainConfig
from tcf.train.examples import reads_catalog
from tcf.train.ranks import Ranks
from tcf.train.row_adamw import RowAdamW

__all__ = ["Optimizer", "below", "learning_rate_factor", "parameter_groups"]

_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)


class Optimizer:
    """AdamW over all trained parameters.

    Embedding tables whose gradient is of the batch's rows alone are updated by rows
    (`RowAdamW`). Where a step reads every row of the item table (`reads_catalog`), the table is a
    parameter like the others.

    Args:
        model: Its trained parameters are updated.
        config: Rates, decay and schedule.
        loss: Says whether the whole item table is read.
        num_batches: Of an epoch; the schedule counts in steps.
    """

    def __init__(self, model: Recommender, config: TrainConfig, *, loss: Loss, num_batches: int):
        whole = set(model.tower.modules()) if reads_catalog(model, config, loss=loss) else set()
        tables = [
            m
            for m in model.modules()
            if isinstance(m, nn.Embedding) and m.sparse and m not in whole
        ]
        inside = {id(table.weight) for table in tables}
        groups = parameter_groups(model, config, without=inside)
        self.rows = RowAdamW(tables, lr=config.learning_rate, weight_decay=config.weight_decay)
        self.dense = torch.optim.AdamW(groups, fused=True) if groups else None
        self.num_steps = 0
        self._of_users = [table is getattr(model.backbone, "table", None) for table in tables]
        self._config, self._num_batches, self._lr = config, num_batches, config.learning_rate
        self._base = [group["lr"] for group in groups]
        self._parameters = [p for group in groups for p in group["params"]]
        self._names = {id(parameter): name for name, parameter in model.named_parameters()}

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """Every trained parameter in one group: what a gradient scaler looks through."""
        return [{"params": [*(table.weight for table in self.rows.tables), *self._parameters]}]

    @property
    def learning_rate(self) -> float:
        """The recommender's, at the step whose rates were set last."""
        return self.rows.lr

    def refresh(self, batch: Batch) -> None:
        """Set the step's rates, and bring the table rows that the batch reads up to date."""
        factor = learning_rate_factor(self.num_steps, self._config, num_batches=self._num_batches)
        self.rows.lr = self._lr * factor
        if self.dense is not None:
            for group, base in zip(self.dense.param_groups, self._base, strict=True):
                group["lr"] = base * factor
        for number, of_users in enumerate(self._of_users):
            rows = batch.users.unique() if of_users else batch.rows
            assert rows is not None
            self.rows.refresh(number, rows)

    def step(self) -> None:
        """Clip, update every parameter, and forget the gradients."""
        if self._config.clip_norm is not None:
            self._clip(self._config.clip_norm)
        self.rows.step()
        if self.dense is not None:
            self.dense.step()
            self.dense.zero_grad()
        self.num_steps += 1

    def skip(self) -> None:
        """Forget the gradients instead of a step."""
        self.rows.skip()
        if self.dense is not None:
            self.dense.zero_grad()

    def gradients(self) -> dict[str, Tensor]:
        """Return every gradient of the step by name, of tables those of the rows that were read."""
        (everything,) = self.param_groups
        found = {self._names[id(p)]: p.grad for p in everything["params"] if p.grad is not None}
        return {name: g._values() if g.is_sparse else g for name, g in found.items()}

    def add_over(self, ranks: Ranks) -> None:
        """Make each gradient the sum of those of all ranks; tables get those of the same rows."""
        for number, table in enumerate(self.rows.tables):
            _widen(table.weight, self.rows.refreshed(number))
        for parameter in self._parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
            elif parameter.grad.is_sparse:  # a table that one process would have read as a whole
                parameter.grad = parameter.grad.to_dense()
        ranks.add_(list(self.gradients().values()))

    def state(self) -> dict[str, Tensor]:
        """Return, between two steps, everything that the next ones depend on but the parameters."""
        held = {f"rows.{name}": value for name, value in self.rows.state().items()}
        if self.dense is not None:
            for number, moments in self.dense.state_dict()["state"].items():
                held |= {f"dense.{number}.{name}": value for name, value in moments.items()}
        return {**held, "steps": torch.tensor(self.num_steps)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a state, the parameters being as they were then."""
        self.num_steps = int(state["steps"])
        self.rows.restore(below(state, "rows"))
        if self.dense is None:
            return
        dense: dict[int, dict[str, Tensor]] = {}
        for name, value in below(state, "dense").items():
            number, _, what = name.partition(".")
            dense.setdefault(int(number), {})[what] = value
        groups = self.dense.state_dict()["param_groups"]
        self.dense.load_state_dict({"state": dense, "param_groups": groups})

    def _clip(self, longest: float) -> None:
        gradients = list(self.gradients().values())
        norm = nn.utils.get_total_norm(gradients)
        scale = (longest / (norm + 1e-6)).clamp(max=1)
        for gradient in gradients:
            gradient.mul_(scale)


def learning_rate_factor(step: int, config: TrainConfig, *, num_batches: int) -> float:
    """Return what every learning rate is multiplied with at a step, counted from 0.

    A linear warm-up, then constant or half a cosine that ends at 0 after ``max_epochs``.
    """
    warmup, last = config.warmup_epochs * num_batches, config.max_epochs * num_batches
    if step < warmup:
        return (step + 1) / (warmup + 1)
    if config.schedule == "constant":
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(last - warmup, 1)))


def parameter_groups(
    model: Recommender, config: TrainConfig, *, without: Collection[int] = ()
) -> list[dict]:
    """Return AdamW's groups: encoder, projector, recommender, each with and without decay.

    Args:
        model: Its trained parameters.
        config: Rates and decays.
        without: ``id`` of parameters that are not wanted.
    """
    rates = {
        "encoder": (config.encoder_learning_rate, config.encoder_weight_decay),
        "projector": (
            config.projector_learning_rate or config.learning_rate,
            config.weight_decay,
        ),
        "recommender": (config.learning_rate, config.weight_decay),
    }
    spared = set() if config.decay_all else _spared(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad or id(parameter) in without:
            continue
        rate, decay = rates[group_of(name)]
        key = rate, 0.0 if id(parameter) in spared else decay
        groups.setdefault(key, []).append(parameter)
    return [
        {"params": params, "lr": rate, "weight_decay": decay}
        for (rate, decay), params in groups.items()
    ]


def group_of(name: str) -> str:
    """Return the group of a parameter by its name in the model."""
    parts = name.split(".")
    if parts[0] == "tower":
        for part in parts[1:]:
            if part in ("encoder", "projector"):
                return part
    return "recommender"


def _widen(weight: Tensor, rows: Tensor) -> None:
    """Give a table the gradient of exactly these ``(n,)`` rows, rising: 0 where it had none."""
    values = weight.new_zeros(len(rows), weight.shape[1])
    if weight.grad is not None:
        values.index_add_(
            0, torch.searchsorted(rows, weight.grad._indices()[0]), weight.grad._values()
        )
    weight.grad = torch.sparse_coo_tensor(
        rows[None], values, weight.shape, is_coalesced=True, check_invariants=False
    )


def below(state: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """Return what lies below a name in a state, by the rest of the name."""
    return {n.removeprefix(f"{part}."): v for n, v in state.items() if n.startswith(f"{part}.")}


def _spared(model: nn.Module) -> set[int]:
    """Return the ``id`` of biases, norms and single numbers: there is nothing to pull them to."""
    return {
        id(parameter)
        for module in model.modules()
        for name, parameter in module.named_parameters(recurse=False)
        if parameter.ndim < 2 or name == "bias" or isinstance(module, _NORMS)
    }
