"""From the user vector of each prediction to the labels of the item that comes next."""

import numpy as np
import torch
from torch import Tensor

from tcf.data.catalog import Catalog
from tcf.data.labels import Labels
from tcf.model.auxiliary import Auxiliary, Step
from tcf.model.layers import linear

__all__ = ["MetadataHead"]


class MetadataHead(Auxiliary):
    """A linear layer that says from a user vector which labels the next item has.

    Its loss is ``weight`` times the cross-entropy over all labels of the catalogue, in fp32 or
    more, where each of a target's labels has an equal share. It is the mean over all predictions:
    one whose target has no label adds nothing to the sum and counts in their number, so that few
    labels weigh little, and the losses of several ranks add up to that of one process.

    Args:
        catalog: Items with labels.
        width: Floats W in a user vector: ``backbone.width``.
        separator: What stands between the labels of an item.
        weight: As in `Auxiliary`.

    Attributes:
        names: What the labels are, rising.

    Raises:
        ValueError: At the first step, if user vectors are of another width.
        DataError: If the catalogue was read without labels, or no item has one.

    Source: Shalaby et al. (M2TRec), RecSys 2022, arXiv 2209.11824: there items go in as what is
    learned of their metadata, and have no ID; the user vector is the mean of a Transformer's
    outputs; and each level of a category tree is a task of its own. Here tower and backbone are
    whatever they are without the head, and all labels are one task.
    """

    labels: Tensor
    shares: Tensor

    def __init__(self, catalog: Catalog, *, width: int, separator: str = "|", weight: float = 0.1):
        super().__init__(weight=weight)
        found = Labels.of(catalog, separator=separator)
        self.names, self._key = found.names, found.key
        self.head = linear(width, found.num_labels)
        counts = found.counts()
        places = np.arange(counts.max()) < counts[:, None]  # (N + 1, most labels of an item)
        labels, shares = np.zeros(places.shape, np.int64), np.zeros(places.shape, np.float32)
        labels[places] = found.numbers
        shares[places] = np.repeat(1 / counts.clip(min=1), counts)
        self.register_buffer("labels", torch.from_numpy(labels), persistent=False)
        self.register_buffer("shares", torch.from_numpy(shares), persistent=False)

    def logits(self, users: Tensor) -> Tensor:
        """Return ``(n, num_labels)`` logits, in the order of ``names``, for ``(n, W)`` users."""
        width = self.head.in_features
        if users.shape[1] != width:
            raise ValueError(
                f"this metadata head reads user vectors of {width} floats; got {users.shape[1]}: "
                "build it with width=backbone.width"
            )
        return self.head(users)

    def forward(self, step: Step) -> Tensor:
        """Return the loss of the step's predictions; its item vectors are not looked at."""
        users, targets = step.users, step.targets
        with torch.autocast(users.device.type, enabled=False):
            dtype = torch.promote_types(users.dtype, self.head.weight.dtype)
            said = self.logits(users.to(dtype)).log_softmax(-1).gather(1, self.labels[targets])
            return -self.weight * (said * self.shares[targets]).sum(1).mean()

    def extra_repr(self) -> str:
        """Return which labels the outputs stand for: saved weights are held to them."""
        return f"labels={self._key[:12]}"
