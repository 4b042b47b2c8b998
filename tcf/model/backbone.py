"""What a backbone is: histories or users -> user vectors."""

from abc import ABC, abstractmethod
from typing import Any, Literal

from torch import Tensor, nn

from tcf.data.split import Split


class Backbone(nn.Module, ABC):
    """Maps histories or users to user vectors.

    Attributes:
        examples: What it learns from: ``"sequences"``, each place predicts the next item;
            ``"cloze"``, hidden items are predicted from all others; ``"pairs"``, user and item;
            ``"last"``, each history predicts its last item.
        causal: What comes later never changes what an earlier place predicts.
        dim: Width D.
        max_history: The most items of input L.
        hidden_share: For cloze, the chance of an item to be hidden in training.
        user_tables: Names of its weights that have a row a user: they mean nothing to others.
    """

    examples: Literal["sequences", "cloze", "pairs", "last"] = "sequences"
    causal: bool = True
    dim: int
    max_history: int
    hidden_share: float = 0.0
    user_tables: tuple[str, ...] = ()

    @property
    def width(self) -> int:
        """Floats W in a user vector, and in an item vector as scored."""
        return self.dim

    @classmethod
    def of_split(cls, split: Split) -> dict[str, Any]:
        """Return the keywords, beside its settings, that a split decides."""
        return {}

    @abstractmethod
    def forward(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, P, D)``, one vector for each place where it predicts.

        Args:
            users: ``(B,)`` user index.
            vectors: ``(M, D)`` item vectors.
            history: ``(B, L)`` index into them, left-padded; -1 where an item is hidden
                (``examples = "cloze"``).
            mask: ``(B, L)`` bool, True where ``history`` holds an item.

        P is L for sequences and cloze, 1 for pairs and last.
        """

    def user_vectors(self, users: Tensor, vectors: Tensor, history: Tensor, mask: Tensor) -> Tensor:
        """Return ``(B, D)``: what a user's next item is scored with."""
        return self(users, vectors, history, mask)[:, -1]

    def items(self, vectors: Tensor) -> Tensor:
        """Return item vectors as scored: unchanged where one serves as input and as output."""
        return vectors

    def extra_repr(self) -> str:
        """Return what shapes of weights do not tell: weights on disk are held to it."""
        return f"max_history={self.max_history}"
