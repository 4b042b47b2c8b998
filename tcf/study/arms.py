"""Where the item vectors of a run come from: values, not code paths. Loads no torch."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from tcf.encode.transform import Transform
from tcf.study.transfer import Transfer
from tcf.train.config import Config, Count, NotNegative, Positive

__all__ = [
    "AlignmentConfig",
    "Arm",
    "MetadataConfig",
    "SelfSupervisionConfig",
    "SemanticIdsConfig",
    "TunedConfig",
    "UserText",
]


class SemanticIdsConfig(Config):
    """Settings of `tcf.model.SemanticIdTower`; ``seed`` is that of the codes, not of the run."""

    num_levels: Count = 4
    num_codes: Count = 256
    prefixes: bool = False
    seed: Annotated[int, Field(ge=0)] = 0


class AlignmentConfig(Config):
    """Settings of `tcf.model.Alignment`; with weight 0 it is left out."""

    name: Literal["alignment"] = "alignment"
    weight: NotNegative = 0.1
    temperature: Positive = 0.2
    num_items: Annotated[int, Field(ge=2)] = 1024


class SelfSupervisionConfig(Config):
    """Settings of `tcf.model.SelfSupervision`; with weight 0 it is left out."""

    name: Literal["self_supervision"] = "self_supervision"
    weight: NotNegative = 0.1
    temperature: Positive = 0.1
    masked: Annotated[float, Field(ge=0, lt=1)] = 0.5
    num_items: Annotated[int, Field(ge=2)] = 1024


class MetadataConfig(Config):
    """Settings of `tcf.model.MetadataHead`; with weight 0 it is left out."""

    name: Literal["metadata"] = "metadata"
    weight: NotNegative = 0.1
    separator: Annotated[str, Field(min_length=1)] = "|"


class TunedConfig(Config):
    """Which part of an encoder is trained: see `tcf.model.TunedTextTower`.

    Attributes:
        method: ``"top"`` the top blocks, ``"all"`` every block, ``"lora"`` low-rank additions to
            the linear layers of the top blocks, ``"adapter"`` a bottleneck behind each of them.
        num_tuned_layers: Blocks counted from the top; needed for ``"top"``, and by default all for
            ``"lora"`` and ``"adapter"``.
        rank, alpha: Of LoRA; alpha None is twice the rank.
        adapter_size: Floats in the bottleneck of an adapter.
        states: Number format in which what enters the lowest tuned block is kept.
        gradient_checkpointing, batch_tokens, kept_tokens: As in `TunedTextTower`.
    """

    method: Literal["top", "all", "lora", "adapter"] = "top"
    num_tuned_layers: Count | None = None
    rank: Count | None = None
    alpha: Positive | None = None
    adapter_size: Count | None = None
    states: Literal["float16", "float32"] = "float16"
    gradient_checkpointing: bool = False
    batch_tokens: Count | None = None
    kept_tokens: Count = 32768

    @model_validator(mode="after")
    def _says_what_its_method_needs(self) -> "TunedConfig":
        layers = self.num_tuned_layers
        for method, setting in (("lora", "rank"), ("adapter", "adapter_size")):
            value = getattr(self, setting)
            if (self.method == method) != (value is not None):
                verb = "needs" if self.method == method else "takes no"
                raise ValueError(f"method={self.method!r} {verb} {setting}; got {value}")
        if self.alpha is not None and self.method != "lora":
            raise ValueError(f"method={self.method!r} takes no alpha; got {self.alpha}")
        if self.method == "top" and layers is None:
            raise ValueError("method='top' needs num_tuned_layers; for every block, method='all'")
        if self.method == "all" and layers is not None:
            raise ValueError(f"method='all' takes no num_tuned_layers; got {layers}")
        return self


class UserText(Config):
    """How the titles of a history become one text, which the encoder of the items reads.

    Attributes:
        max_items: Of the history, the last ones, at the most.
        max_tokens: Titles that are too many for it are left out, the oldest first.
        separator: Between titles.
    """

    max_items: Count = 20
    max_tokens: Count = 256
    separator: str = ". "


class Arm(Config):
    """Where the item vectors of a run come from, or what it starts from: in what two arms differ.

    Attributes:
        name: Shown in tables and plots.
        kind: ``"model"`` a language model, ``"random"`` one with random weights, ``"static"`` text
            vectors without a model, ``"id"`` a learned table. Four are not trained: ``"nearest"``
            compares an encoder's vectors as they are, ``"transitions"`` counts what was taken after
            what, ``"popularity"`` counts alone, ``"chance"`` is a random ranking.
        family: Arms of one family are joined by a line.
        encoder: As in `encode_items`, or a name that the study resolves; never a path.
        layer, pooling, max_tokens, prompt, dtype, quantization: As in `encode_items`.
        transforms: Applied to the vectors in turn, fitted on the items of the training part.
        tuned: Which part of the encoder is trained; None: it is frozen.
        semantic_ids: Codes of the vectors, each with a learned vector, take the place of the
            vectors and of their projector; None: they do not.
        with_ids: How a learned vector an item is added to that of the text; None: text alone.
            ``"alignment"`` scores by it alone, and lets training draw it to the text's.
        auxiliary: A loss that is added in training: of the items' text vectors, of which
            `AlignmentConfig` belongs to ``with_ids="alignment"``, or of the next item's labels
            (`MetadataConfig`), for any arm that is trained.
        encoder_kind: Of a nearest arm, what kind its encoder is; see `nearest`.
        control: What the arm controls for, as in `tcf.study.controls`; None: it is no control.
            ``"random_weights"`` draws the weights of ``encoder`` anew.
        control_of: Name of the arm that it is a control of, where it belongs to one.
        user_text: How a user's history becomes one text, read like an item's; None: users are no
            texts.
        transfer: Start from what was learned on other data sets; None: from scratch.
        share: Of the training users, drawn anew with each seed; validation is on the same ones
            (`tcf.data.train_share`). 0, of a transfer: nothing of the target is learned from.
    """

    added: ClassVar[tuple[str, ...]] = (
        "transforms",
        "tuned",
        "with_ids",
        "encoder_kind",
        "control",
        "control_of",
        "semantic_ids",
        "auxiliary",
        "quantization",
        "user_text",
        "transfer",
        "share",
    )

    name: str
    kind: Literal[
        "model", "random", "static", "id", "nearest", "transitions", "popularity", "chance"
    ]
    family: str | None = None
    encoder: str | None = None
    layer: int = -1
    pooling: Literal["mean", "last_token", "first_token"] | None = None
    max_tokens: Count = 30
    prompt: str = "{text}"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    transforms: tuple[Transform, ...] = ()
    tuned: TunedConfig | None = None
    semantic_ids: SemanticIdsConfig | None = None
    with_ids: Literal["sum", "concatenation", "gate", "alignment"] | None = None
    auxiliary: (
        Annotated[
            AlignmentConfig | MetadataConfig | SelfSupervisionConfig, Field(discriminator="name")
        ]
        | None
    ) = None
    encoder_kind: Literal["model", "random", "static"] | None = None
    control: (
        Literal["width", "random_weights", "shuffled", "random_vectors", "tfidf", "popularity"]
        | None
    ) = None
    control_of: str | None = None
    quantization: Literal["int8", "nf4"] | None = None
    user_text: UserText | None = None
    transfer: Transfer | None = None
    share: Annotated[float, Field(ge=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _text_needs_an_encoder(self) -> "Arm":
        if self.has_text != (self.encoder is not None):
            raise ValueError(
                f"arm {self.name!r} of kind {self.kind!r} "
                f"{'needs an' if self.has_text else 'takes no'} encoder; got {self.encoder!r}"
            )
        for setting in (
            "transforms",
            "tuned",
            "semantic_ids",
            "with_ids",
            "auxiliary",
            "quantization",
        ):
            value = getattr(self, setting)
            if self.kind == "id" and isinstance(value, MetadataConfig):
                continue
            as_it_is = self.kind == "nearest" and setting not in ("transforms", "quantization")
            if value and (as_it_is or not self.has_text):
                raise ValueError(
                    f"arm {self.name!r} of kind {self.kind!r} takes no {setting}; got {value}"
                )
        if (self.kind == "nearest") != (self.encoder_kind is not None):
            raise ValueError(
                f"encoder_kind is for arms of kind 'nearest', which need it; arm {self.name!r} of "
                f"kind {self.kind!r} got {self.encoder_kind!r}"
            )
        return self

    @model_validator(mode="after")
    def _only_a_whole_model_is_tuned(self) -> "Arm":
        if self.tuned is None:
            return self
        if self.kind == "static":
            raise ValueError(
                f"arm {self.name!r} must name a language model to be tuned, LoRA included; "
                f"{self.encoder!r} is a static encoder and has no blocks"
            )
        if self.transforms or self.layer != -1 or self.semantic_ids:
            raise ValueError(
                f"arm {self.name!r} is tuned, so it reads the last layer and takes no transforms "
                f"and no semantic IDs; got layer={self.layer}, transforms={self.transforms}, "
                f"semantic_ids={self.semantic_ids}"
            )
        if self.quantization is not None:
            raise ValueError(
                f"arm {self.name!r} is tuned, and weights of {self.quantization} cannot be "
                "trained: leave quantization out, or freeze the encoder"
            )
        return self

    @model_validator(mode="after")
    def _an_auxiliary_loss_is_of_frozen_vectors(self) -> "Arm":
        aligned = isinstance(self.auxiliary, AlignmentConfig)
        if aligned != (self.with_ids == "alignment"):
            raise ValueError(
                f"with_ids='alignment' and auxiliary=AlignmentConfig() go together; arm "
                f"{self.name!r} got with_ids={self.with_ids!r} and auxiliary={self.auxiliary!r}"
            )
        mixed = self.tuned or self.semantic_ids or (None if aligned else self.with_ids)
        of_users = isinstance(self.auxiliary, MetadataConfig)
        if self.auxiliary is not None and mixed and not of_users:
            raise ValueError(
                f"arm {self.name!r} has an auxiliary loss, {self.auxiliary.name}, of frozen text "
                f"vectors as they are; it takes no tuned, semantic_ids or with_ids; got {mixed!r}"
            )
        return self

    @model_validator(mode="after")
    def _a_frozen_model_reads_users(self) -> "Arm":
        if self.user_text is None:
            return self
        if not {"model", "random"} & {self.kind, self.encoder_kind}:
            raise ValueError(
                f"arm {self.name!r} must name a language model to read users' texts as well as "
                f"items'; it is of kind {self.kind!r}"
            )
        changed = (self.tuned, self.transforms, self.transfer, self.semantic_ids, self.auxiliary)
        if any(changed):
            raise ValueError(
                f"arm {self.name!r} reads users' texts, so its encoder is frozen and its vectors "
                "are as they come: leave tuned, transforms and transfer, semantic_ids and "
                "auxiliary out"
            )
        return self

    @model_validator(mode="after")
    def _a_control_says_of_what(self) -> "Arm":
        if self.control_of is not None and self.control is None:
            raise ValueError(
                f"arm {self.name!r} is a control of {self.control_of!r} and must say of what kind: "
                "control='width', say"
            )
        return self

    @model_validator(mode="after")
    def _only_what_is_learned_of_text_transfers(self) -> "Arm":
        if self.share != 1 and not self.is_trained:
            raise ValueError(
                f"arm {self.name!r} of kind {self.kind!r} is not trained, so it takes no share of "
                f"the training users; got {self.share}"
            )
        if self.transfer is None:
            if self.share == 0:
                raise ValueError(f"arm {self.name!r} must learn from somebody; got share=0")
            return self
        if self.kind == "id" or self.with_ids or self.semantic_ids:
            raise ValueError(
                f"arm {self.name!r} learns item IDs, which cannot transfer: the items of another "
                "data set are others, and IDs say nothing of them. Give an arm of text alone"
            )
        if not self.is_trained:
            raise ValueError(
                f"arm {self.name!r} of kind {self.kind!r} learns nothing that could transfer"
            )
        if isinstance(self.auxiliary, MetadataConfig) and self.transfer.carry == "all":
            raise ValueError(
                f"arm {self.name!r} learns the labels of one data set, and those of another are "
                "others: carry must be 'backbone', or leave auxiliary out"
            )
        if self.share == 0 and self.transfer.carry == "backbone":
            raise ValueError(
                f"arm {self.name!r} would rank with a projector that nobody trained: with share=0 "
                "carry must be 'all'"
            )
        return self

    @property
    def has_text(self) -> bool:
        """Whether its items are read as text."""
        return self.kind in ("model", "random", "static", "nearest")

    @property
    def is_trained(self) -> bool:
        """Whether a recommender is trained for it."""
        return self.kind in ("model", "random", "static", "id")

    @property
    def reads_labels(self) -> bool:
        """Whether its runs depend on the items' labels."""
        return isinstance(self.auxiliary, MetadataConfig) and self.auxiliary.weight > 0

    def nearest(self) -> "Arm":
        """Return the untrained arm on the same vectors: what they tell before any training.

        Raises:
            ValueError: If this arm has no text.
        """
        shared = {"family", "encoder", "layer", "pooling", "max_tokens", "prompt", "dtype"}
        shared |= {"transforms", "quantization", "user_text"}
        settings = {name: getattr(self, name) for name in shared & self.model_fields_set}
        names = {"name": f"{self.name}, nearest", "kind": "nearest", "encoder_kind": self.kind}
        if self.control is not None:  # of what the other is compared with, before training as well
            of = self.control_of and f"{self.control_of}, nearest"
            names |= {"control": self.control, "control_of": of}
        return Arm.model_validate({**settings, **names})

    def transferred(
        self,
        *sources: str,
        carry: Literal["backbone", "all"] = "all",
        share: float = 1.0,
        same_users: bool = False,
    ) -> "Arm":
        """Return the arm that starts from what this one learned on other data sets.

        Args:
            *sources: As in `Transfer`, as are ``carry`` and ``same_users``.
            carry: What is taken over.
            share: Of the target's training users; 0 is zero-shot.
            same_users: Equal ids are the same people.

        Raises:
            ValueError: If it learns nothing that could transfer.
        """
        start = Transfer(arm=self.name, sources=sources, carry=carry, same_users=same_users)
        how = "zero-shot" if share == 0 else f"{100 * share:g}% of users"
        parts = "" if carry == "all" else ", backbone"
        return self._changed(
            name=f"{self.name} from {start.source}{parts}, {how}", transfer=start, share=share
        )

    def with_share(self, share: float) -> "Arm":
        """Return the arm that is trained on a share of the users, and on nothing else."""
        return self._changed(name=f"{self.name}, {100 * share:g}% of users", share=share)

    def _changed(self, **changes: Any) -> "Arm":
        """Return a copy of no family with other settings."""
        settings = {name: getattr(self, name) for name in self.model_fields_set - {"family"}}
        return Arm.model_validate({**settings, **changes})

    def encoding(self) -> dict[str, Any]:
        """Return the keywords for `encode_catalog`, the encoder left out."""
        settings = {"layer", "pooling", "max_tokens", "prompt", "dtype", "quantization"}
        # a static encoder has none of them: what was set by hand goes through, to be refused there
        static = "static" in (self.kind, self.encoder_kind)
        return self.model_dump(include=settings, exclude_unset=static)

    def trunk(self) -> dict[str, Any]:
        """Return the keywords for `encode_trunk` of a tuned arm, the encoder left out."""
        assert self.tuned is not None
        settings = self.model_dump(include={"pooling", "max_tokens", "prompt", "dtype"})
        layers = {"num_tuned_layers": self.tuned.num_tuned_layers, "states": self.tuned.states}
        return {**settings, **layers}
