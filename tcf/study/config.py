"""What a run is, and what a study is: values, not code paths."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from tcf._util import hash_json
from tcf.data.catalog import Catalog, Interactions
from tcf.encode.transform import Transform
from tcf.study.space import Tuning
from tcf.train.config import Config, Count, Positive, TrainConfig

NUMBERS = 1
"""Raised by every change that may move a figure (CHANGELOG, Numbers); part of each fingerprint."""

Share = Annotated[float, Field(ge=0, lt=1)]


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


class Arm(Config):
    """Where the item vectors of a run come from: the one thing in which two arms differ.

    Attributes:
        name: Shown in tables and plots.
        kind: ``"model"`` a language model, ``"random"`` one with random weights, ``"static"`` text
            vectors without a model, ``"id"`` a learned table. Three are not trained: ``"nearest"``
            compares an encoder's vectors as they are, ``"transitions"`` counts what was taken after
            what, ``"popularity"`` counts alone.
        family: Arms of one family are joined by a line.
        encoder: As in `encode_items`, or a name that the study resolves; never a path.
        layer, pooling, max_tokens, prompt, dtype: As in `encode_items`.
        transforms: Applied to the vectors in turn, fitted on the items of the training part.
        tuned: Which part of the encoder is trained; None: it is frozen.
        with_ids: How a learned vector an item is added to that of the text; None: text alone.
        encoder_kind: Of a nearest arm, what kind its encoder is; see `nearest`.
    """

    added: ClassVar[tuple[str, ...]] = ("transforms", "tuned", "with_ids", "encoder_kind")

    name: str
    kind: Literal["model", "random", "static", "id", "nearest", "transitions", "popularity"]
    family: str | None = None
    encoder: str | None = None
    layer: int = -1
    pooling: Literal["mean", "last_token", "first_token"] | None = None
    max_tokens: Count = 30
    prompt: str = "{text}"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "float32"
    transforms: tuple[Transform, ...] = ()
    tuned: TunedConfig | None = None
    with_ids: Literal["sum", "concatenation", "gate"] | None = None
    encoder_kind: Literal["model", "random", "static"] | None = None

    @model_validator(mode="after")
    def _text_needs_an_encoder(self) -> "Arm":
        if self.has_text != (self.encoder is not None):
            raise ValueError(
                f"arm {self.name!r} of kind {self.kind!r} "
                f"{'needs an' if self.has_text else 'takes no'} encoder; got {self.encoder!r}"
            )
        for setting in ("transforms", "tuned", "with_ids"):
            value = getattr(self, setting)
            if value and not self.has_text:
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
        if self.transforms or self.layer != -1:
            raise ValueError(
                f"arm {self.name!r} is tuned, so it reads the last layer and takes no transforms; "
                f"got layer={self.layer}, transforms={self.transforms}"
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

    def nearest(self) -> "Arm":
        """Return the untrained arm on the same vectors: what they tell before any training.

        Raises:
            ValueError: If this arm has no text.
        """
        shared = {"family", "encoder", "layer", "pooling", "max_tokens", "prompt", "dtype"}
        shared |= {"transforms"}
        settings = {name: getattr(self, name) for name in shared & self.model_fields_set}
        names = {"name": f"{self.name}, nearest", "kind": "nearest", "encoder_kind": self.kind}
        return Arm.model_validate({**settings, **names})

    def encoding(self) -> dict[str, Any]:
        """Return the keywords for `encode_catalog`, the encoder left out."""
        settings = {"layer", "pooling", "max_tokens", "prompt", "dtype"}
        # a static encoder has none of them: what was set by hand goes through, to be refused there
        static = "static" in (self.kind, self.encoder_kind)
        return self.model_dump(include=settings, exclude_unset=static)

    def trunk(self) -> dict[str, Any]:
        """Return the keywords for `encode_trunk` of a tuned arm, the encoder left out."""
        assert self.tuned is not None
        settings = self.model_dump(include={"pooling", "max_tokens", "prompt", "dtype"})
        layers = {"num_tuned_layers": self.tuned.num_tuned_layers, "states": self.tuned.states}
        return {**settings, **layers}


class SASRecConfig(Config):
    """Settings of `tcf.model.SASRec`; the defaults are the study's."""

    added: ClassVar[tuple[str, ...]] = ("norm",)

    name: Literal["SASRec"] = "SASRec"
    num_layers: Count = 2
    num_heads: Count = 2
    max_history: Count = 20
    dropout: Share = 0.1
    norm: Literal["post", "pre"] = "post"


class DSSMConfig(Config):
    """Settings of `tcf.model.DSSM`."""

    name: Literal["DSSM"] = "DSSM"
    num_layers: Annotated[int, Field(ge=0)] = 0
    dropout: Share = 0.1


class GRU4RecConfig(Config):
    """Settings of `tcf.model.GRU4Rec`."""

    name: Literal["GRU4Rec"] = "GRU4Rec"
    num_layers: Count = 1
    max_history: Count = 20
    dropout: Share = 0.1


class NextItNetConfig(Config):
    """Settings of `tcf.model.NextItNet`."""

    name: Literal["NextItNet"] = "NextItNet"
    kernel_size: Annotated[int, Field(ge=2)] = 3
    dilations: Annotated[tuple[Count, ...], Field(min_length=1)] = (1, 4)
    max_history: Count = 20
    dropout: Share = 0.1


class BERT4RecConfig(Config):
    """Settings of `tcf.model.BERT4Rec`."""

    name: Literal["BERT4Rec"] = "BERT4Rec"
    num_layers: Count = 2
    num_heads: Count = 2
    max_history: Annotated[int, Field(ge=2)] = 20
    dropout: Share = 0.1
    hidden_share: Annotated[float, Field(gt=0, lt=1)] = 0.2
    norm: Literal["post", "pre"] = "pre"


class MeanHistoryConfig(Config):
    """Settings of `tcf.model.MeanHistory`."""

    name: Literal["MeanHistory"] = "MeanHistory"
    max_history: Count = 20


class ProjectorConfig(Config):
    """Settings of the projector of `tcf.model.FrozenTextTower`."""

    num_layers: Count = 2
    dropout: Share = 0.1


AnyBackbone = (
    BERT4RecConfig | DSSMConfig | GRU4RecConfig | MeanHistoryConfig | NextItNetConfig | SASRecConfig
)
Backbone = Annotated[AnyBackbone, Field(discriminator="name")]


class Preset(Config):
    """A backbone and how it is trained: what `grid` takes for each backbone.

    Attributes:
        backbone: Its settings.
        train: Likewise.
        dim: Width D.
        scores, temperature, learn_temperature: As in `tcf.model.Recommender`.
    """

    backbone: Backbone
    train: TrainConfig = TrainConfig()
    dim: Count = 64
    scores: Literal["dot", "cosine"] = "dot"
    temperature: Positive = 1.0
    learn_temperature: bool = False


class RunConfig(Config):
    """One run: a data set, an arm, a backbone, a way of training and a seed.

    An arm that is not trained has no backbone and one seed, 0. Scores and temperature are as in
    `tcf.model.Recommender`. ``tuning`` is the search that found the settings, where one did.
    """

    added: ClassVar[tuple[str, ...]] = ("scores", "temperature", "learn_temperature", "tuning")

    dataset: str
    arm: Arm
    backbone: Backbone | None
    dim: Count = 64
    projector: ProjectorConfig = ProjectorConfig()
    train: TrainConfig = TrainConfig()
    seed: Annotated[int, Field(ge=0)] = 0
    scores: Literal["dot", "cosine"] = "dot"
    temperature: Positive = 1.0
    learn_temperature: bool = False
    tuning: Tuning | None = None

    @property
    def cell(self) -> str:
        """Name for people of what the runs of all seeds share: data set, backbone, arm."""
        backbone = f"/{self.backbone.name}" if self.backbone else ""
        return f"{self.dataset}{backbone}/{self.arm.name}"

    @model_validator(mode="after")
    def _training_needs_a_backbone(self) -> "RunConfig":
        if self.arm.is_trained != (self.backbone is not None):
            raise ValueError(
                f"arm {self.arm.name!r} of kind {self.arm.kind!r} "
                f"{'needs a' if self.arm.is_trained else 'takes no'} backbone; "
                f"got {self.backbone!r}"
            )
        return self

    @property
    def name(self) -> str:
        """Name for people: data set, backbone, arm, seed."""
        return f"{self.cell}/seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """A question: data, the runs that answer it, and where their encoders come from.

    Attributes:
        name: Short name; a folder of this name under the cache belongs to it.
        load: Returns items and interactions; gets the folder of ``tcf run --data``, or None.
        runs: All runs, most often from `grid`.
        encoders: Makes or finds encoders that are no hub names: gets the names wanted, the
            catalogue and a cache folder, returns what `encode_catalog` takes for each it knows.
        min_interactions: Users with fewer are left out.
        last: Latest interactions kept of each user.
        metrics: Computed for each run.
        tuning: A search that every arm with training goes through before its runs; its best
            settings take the place of those in ``runs``.
        searches: What the search of each cell gave, for the records; `tcf.study.tune` fills it.
    """

    name: str
    load: Callable[[Path | None], tuple[Catalog, Interactions]]
    runs: tuple[RunConfig, ...] = field(repr=False)
    encoders: Callable[[Sequence[str], Catalog, Path], Mapping[str, Any]] | None = None
    min_interactions: int = 5
    last: int | None = 23
    metrics: tuple[str, ...] = ("hr@10", "ndcg@10", "hr@20", "ndcg@20", "mrr@10")
    tuning: Tuning | None = None
    searches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


_PROJECTOR = ProjectorConfig()


def grid(
    *,
    dataset: str,
    arms: Sequence[Arm],
    backbones: Sequence[Preset | tuple[AnyBackbone, TrainConfig]],
    seeds: Sequence[int] = (0, 1, 2),
    dim: int | None = None,
    projector: ProjectorConfig = _PROJECTOR,
) -> tuple[RunConfig, ...]:
    """Return every arm under every backbone with every seed; what is not trained once.

    Args:
        dataset: Display name of the data set.
        arms: What is compared.
        backbones: Each with the training it gets; all arms get the same. A `Preset`, such as
            ``paper("SASRec")``, or the settings of the two.
        seeds: One run each.
        dim: Width D of every arm; None: the preset's.
        projector: Of the text arms.

    Raises:
        ValueError: If two arms share a name.
    """
    names = [arm.name for arm in arms]
    if len(set(names)) != len(names):
        raise ValueError(f"arms need different names; got {names}")
    trained = [arm for arm in arms if arm.is_trained]
    presets = [
        one if isinstance(one, Preset) else Preset(backbone=one[0], train=one[1])
        for one in backbones
    ]
    runs = [
        RunConfig(
            dataset=dataset,
            arm=arm,
            backbone=preset.backbone,
            dim=dim or preset.dim,
            projector=projector,
            train=preset.train,
            seed=seed,
            scores=preset.scores,
            temperature=preset.temperature,
            learn_temperature=preset.learn_temperature,
        )
        for preset, seed, arm in itertools.product(presets, seeds, trained)
    ]
    runs += [
        RunConfig(dataset=dataset, arm=arm, backbone=None) for arm in arms if not arm.is_trained
    ]
    return tuple(runs)


def fingerprint(config: RunConfig, *, split: str, vectors: str | None) -> str:
    """Return the hash of everything that decides a run's figures; paths are no part of it.

    Args:
        config: Resolved config.
        split: The split's checksum.
        vectors: The key of the item vectors; None for an arm without text.
    """
    return hash_json(
        {
            "config": config.model_dump(mode="json"),
            "split": split,
            "vectors": vectors,
            "numbers": NUMBERS,
        }
    )
