"""Stops a training whose loss is no number any more, and says where it went wrong."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tcf.train.ranks import Ranks

__all__ = ["Watch"]

_EVERY = 16  # steps between two looks where looking makes the device wait
_SHOWN = 8  # users named in a message


@dataclass(frozen=True)
class _Step:
    number: int
    users: Tensor
    loss: Tensor
    names: tuple[str, ...]
    largest: Tensor | None


class Watch:
    """Takes every step's loss, and looks at them: at each step on a CPU, at some elsewhere.

    On a CPU a loss that is not finite stops the training before the step is made, so that the
    weights are the last good ones. On an accelerator, where a look would make it wait, and over
    several ranks, the look comes up to 16 steps later; what is said is still of the first bad step.

    Args:
        user_ids: Of the split.
        ranks: Losses are summed over them.
        device: Where the losses are.
        checkpoint: Where one may lie, to be named in the message.
    """

    def __init__(
        self,
        user_ids: Sequence[str],
        *,
        ranks: Ranks,
        device: torch.device,
        checkpoint: Path | None = None,
    ):
        self._user_ids, self._ranks, self._checkpoint = user_ids, ranks, checkpoint
        self._every = 1 if device.type == "cpu" and ranks.world == 1 else _EVERY
        self._steps: list[_Step] = []

    def see(
        self,
        users: Tensor,
        loss: Tensor,
        gradients: Callable[[], Mapping[str, Tensor]],
        *,
        step: int,
    ) -> list[float]:
        """Take a step's loss before the step is made; return the losses looked at, if any.

        Args:
            users: Of the batch.
            loss: This rank's part of it.
            gradients: Gives them by name.
            step: Counted from 1 over the whole training.

        Raises:
            ValueError: If a loss looked at is not finite.
        """
        loss, names, largest = loss.detach(), (), None
        if self._every > 1 or not math.isfinite(loss):
            found = gradients()
            names = tuple(found)
            largest = torch.stack([_largest(g) for g in found.values()]) if found else None
        self._steps.append(_Step(step, users, loss, names, largest))
        return self.look() if len(self._steps) >= self._every else []

    def look(self) -> list[float]:
        """Return the losses taken since the last look, over all ranks.

        Raises:
            ValueError: If one is not finite.
        """
        steps, self._steps = self._steps, []
        if not steps:
            return []
        losses = torch.stack([step.loss for step in steps]).double()
        if self._ranks.world > 1:
            self._ranks.add_([losses])
        found = losses.tolist()
        for step, loss in zip(steps, found, strict=True):
            if not math.isfinite(loss):
                raise ValueError(self._message(step, loss))
        return found

    def _message(self, step: _Step, loss: float) -> str:
        users = [self._user_ids[n] for n in step.users.unique().tolist()]
        shown = ", ".join(repr(user) for user in users[:_SHOWN])
        more = f" and {len(users) - _SHOWN} more" if len(users) > _SHOWN else ""
        where = f"at step {step.number}, over users {shown}{more}"
        gradient = "there is no gradient"
        if step.largest is not None:
            sizes = step.largest.tolist()
            at = max(range(len(sizes)), key=lambda n: (math.isnan(sizes[n]), sizes[n]))
            gradient = f"the largest gradient is that of {step.names[at]}, {sizes[at]:.3g}"
        kept = ""
        if self._checkpoint is not None and self._checkpoint.exists():
            kept = f"; the last good checkpoint stays in {self._checkpoint}"
        return (
            f"the training loss must stay finite; it became {loss} {where}; {gradient}: "
            f"lower learning_rate, or set clip_norm{kept}"
        )


def _largest(gradient: Tensor) -> Tensor:
    """Return the largest size of a number in it; NaN if there is one."""
    return torch.linalg.vector_norm(gradient.float(), ord=float("inf"))
