"""In what a training computes its matrix products, and how small gradients survive it."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from tcf.train.config import TrainConfig
from tcf.train.optimizer import Optimizer

if TYPE_CHECKING:
    from accelerate import Accelerator

__all__ = ["Precision"]

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    """Autocast, and for fp16 a scale on the loss that is taken off before gradients are clipped.

    Args:
        config: Says which.
        device: Where the model is.
        accelerator: One that was made for a precision must have been made for this one; its own
            autocast and scaler are used then.

    Raises:
        ValueError: If the accelerator was made for another precision.

    Source: Micikevicius et al., ICLR 2018.
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        device: torch.device,
        accelerator: "Accelerator | None" = None,
    ):
        self._device, self._dtype = device, _DTYPES.get(config.precision)
        self._accelerator, self._scaler = None, None
        if accelerator is not None and accelerator.mixed_precision != "no":
            if accelerator.mixed_precision != config.precision:
                raise ValueError(
                    "an accelerator with mixed precision needs a config with the same; got "
                    f"{accelerator.mixed_precision!r} and precision={config.precision!r}"
                )
            self._accelerator, self._scaler = accelerator, accelerator.scaler
        elif config.precision == "fp16":
            self._scaler = torch.amp.GradScaler(device.type)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which losses are computed."""
        if self._accelerator is not None:
            return self._accelerator.autocast()
        on = self._dtype is not None
        return torch.autocast(self._device.type, dtype=self._dtype, enabled=on)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, scaled up where that is needed."""
        if loss.requires_grad:
            (loss if self._scaler is None else self._scaler.scale(loss)).backward()

    def unscale(self, optimizer: Optimizer) -> None:
        """Give the gradients, summed over all ranks, their own size back."""
        if self._scaler is not None:
            self._scaler.unscale_(_as_torch(optimizer))

    def step(self, optimizer: Optimizer) -> None:
        """Clip and make a step; none where scaled gradients have left fp16's range."""
        if self._scaler is None:
            optimizer.step()
            return
        before = optimizer.num_steps
        self._scaler.step(_as_torch(optimizer))
        self._scaler.update()
        if optimizer.num_steps == before:
            optimizer.skip()

    def state(self) -> dict[str, float] | None:
        """Return where the scale stands, as JSON holds it."""
        return None if self._scaler is None else self._scaler.state_dict()

    def restore(self, state: dict[str, float] | None) -> None:
        """Go on from a state."""
        if self._scaler is not None and state is not None:
            self._scaler.load_state_dict(state)


def _as_torch(optimizer: Optimizer) -> Any:
    return optimizer  # a scaler looks at param_groups and calls step, no more
