"""How a recommender is trained. Loads no torch."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
)

__all__ = ["Config", "Count", "NotNegative", "Positive", "TrainConfig"]

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Config(BaseModel):
    """Frozen settings; unknown keys are refused.

    Attributes:
        added: Fields newer than the first records. At their default they are no part of the JSON,
            so that every run made before keeps its fingerprint.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    added: ClassVar[tuple[str, ...]] = ()

    @model_serializer(mode="wrap")
    def _unchanged_by_new_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields = type(self).model_fields
        unused = {name for name in self.added if getattr(self, name) == fields[name].default}
        return {name: value for name, value in handler(self).items() if name not in unused}


class TrainConfig(Config):
    """How a recommender is trained. The defaults are the study's ("paper").

    Attributes:
        max_epochs: Epochs at the most.
        patience: Stop after this many epochs without a better ``monitor``; None runs them all.
        monitor: Validation metric that decides the epoch kept: hr, ndcg or mrr at any cut-off.
        batch_size: Users (sequences, cloze) or user-item pairs (DSSM) a step, over all ranks.
        learning_rate: Of AdamW.
        weight_decay: Decoupled.
        loss: Of `tcf.model.LOSSES`.
        num_negatives: Drawn for each prediction, where the loss draws; None: the loss's own number.
        schedule: Of every learning rate, after the warm-up: constant, or a half cosine to 0 over
            ``max_epochs``.
        warmup_epochs: Learning rates rise from 0 for so long; a fraction is meant.
        projector_learning_rate: None: ``learning_rate``.
        encoder_learning_rate: Of an encoder that is tuned.
        encoder_weight_decay: Likewise.
        decay_all: Weight decay on biases and norms too, as the study has it.
        clip_norm: Longest gradient, over all parameters together; None: as it comes.
        precision: ``"bf16"`` and ``"fp16"`` compute matrix products so; weights stay fp32.
        gather_negatives: With several ranks, every prediction sees the items of all of them, so
            that the loss does not depend on their number; otherwise its own rank's only.
    """

    added: ClassVar[tuple[str, ...]] = (
        "loss",
        "num_negatives",
        "schedule",
        "warmup_epochs",
        "projector_learning_rate",
        "encoder_learning_rate",
        "encoder_weight_decay",
        "decay_all",
        "clip_norm",
        "precision",
        "gather_negatives",
    )

    max_epochs: Count = 30
    patience: Count | None = 5
    monitor: str = "hr@10"
    batch_size: Count = 64
    learning_rate: Positive = 1e-3
    weight_decay: NotNegative = 0.1
    loss: str = "in_batch_softmax"
    num_negatives: Count | None = None
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: NotNegative = 0.0
    projector_learning_rate: Positive | None = None
    encoder_learning_rate: Positive = 5e-5
    encoder_weight_decay: NotNegative = 0.01
    decay_all: bool = True
    clip_norm: Positive | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    gather_negatives: bool = True

    @field_validator("monitor")
    @classmethod
    def _is_a_metric(cls, name: str) -> str:
        from tcf.evaluate.metrics import check_metric

        check_metric(name)
        return name
