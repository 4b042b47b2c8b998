"""What is the same for every size of a ladder. Loads no torch."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["Recipe"]

Count = Annotated[int, Field(ge=1)]


class Recipe(BaseModel):
    """How every size is trained; only what the rule says differs from size to size.

    ``"mup"`` scales with ``m``, the width over ``base_width``, and ``L``, the number of blocks: the
    matrices of the blocks are drawn with a deviation that falls with the root of their inputs, and
    learn at ``learning_rate / m / sqrt(L)``; tables, biases and norms learn at ``learning_rate``;
    logits are divided by ``m``. Heads have one width in all sizes, so that attention's scale is a
    constant. What a block adds to the stream is drawn smaller by ``sqrt(2 L)`` (Radford et al.,
    2019). ``"root_width"`` is a single rate that falls with the root of ``m``, over the
    start that OPT has in Transformers.

    Attributes:
        num_tokens: Train until so many tokens were predicted, text after text, each pass in a new
            order; the batch that passes the number is the last.
        num_epochs: Or so many passes over the texts. One of the two must be given.
        vocab_size: Of the byte-level BPE tokenizer trained on the texts, at the most.
        max_tokens: Texts are cut there; the models have no more positions.
        batch_size: Texts a step.
        part_tokens: A batch is computed in parts of texts of like length, at most so many padded
            tokens each, and makes one step; None: at once. It saves padding and moves no result by
            more than rounding.
        rule: How learning rates and starts follow the shape.
        learning_rate: The peak of a model of ``base_width`` and one block, after a warm-up over a
            tenth of the steps and before a half cosine to 0.
        base_width: Where rules that scale with width agree.
        weight_decay: Of AdamW, as large as its learning rate makes it.
        dtype: Of matrix products; weights, the loss and validation are in float32.

    Source: for ``"mup"``, Yang et al., Tensor Programs V (2021), table 8 with Adam, and, for depth,
    Tensor Programs VI (2023).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    num_tokens: Count | None = None
    num_epochs: int | None = Field(default=None, ge=0)
    vocab_size: int = Field(default=4096, ge=258)
    max_tokens: int = Field(default=64, ge=2)
    batch_size: Count = 64
    part_tokens: Count | None = 1024
    rule: Literal["mup", "root_width"] = "mup"
    learning_rate: float = Field(default=0.01, gt=0)
    base_width: Count = 64
    weight_decay: float = Field(default=0.0, ge=0)
    dtype: Literal["float32", "bfloat16"] = "float32"

    @model_validator(mode="after")
    def _one_length(self) -> "Recipe":
        if (self.num_tokens is None) == (self.num_epochs is None):
            raise ValueError(
                "a recipe says how long to train by num_tokens or by num_epochs, one of them; got "
                f"{self.num_tokens} and {self.num_epochs}"
            )
        return self

    def rates(self, hidden: int, layers: int) -> tuple[float, float]:
        """Return the peak rates of a shape: of the blocks' matrices, and of all else."""
        if self.rule == "mup":
            wider, deeper = hidden / self.base_width, layers**0.5
            return self.learning_rate / wider / deeper, self.learning_rate
        rate = self.learning_rate * (self.base_width / hidden) ** 0.5
        return rate, rate

    def logit_scale(self, hidden: int) -> float:
        """Return what logits are multiplied by in a width."""
        return self.base_width / hidden if self.rule == "mup" else 1.0

    @staticmethod
    def warmed(step: int, num_steps: int) -> float:
        """Return the share of the peak rate at a step: a warm-up, then half a cosine to 0."""
        warm_up = max(1, num_steps // 10)
        if step < warm_up:
            return (step + 1) / warm_up
        return 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, num_steps - warm_up)))
