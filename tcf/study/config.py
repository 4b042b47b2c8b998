"""What a run is, and what a study is: values, not code paths."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from tcf._util import hash_json
from tcf.data.catalog import Catalog, Interactions
from tcf.data.dataset import Counts
from tcf.data.filter import Filter
from tcf.data.split import Split, leave_one_out
from tcf.study.arms import Arm
from tcf.study.backbones import (
    AnyBackbone,
    AnyProjector,
    Backbone,
    MixtureConfig,
    ProjectorConfig,
    TextUsersConfig,
)
from tcf.study.space import Tuning
from tcf.train.config import Config, Count, Positive, TrainConfig

NUMBERS = 1
"""Raised by every change that may move a figure (CHANGELOG, Numbers); part of each fingerprint."""


Load = Callable[[Path | None], tuple[Catalog, Interactions]]


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
    projector: AnyProjector = ProjectorConfig()
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

    @model_validator(mode="after")
    def _a_tuned_encoder_has_dense_layers(self) -> "RunConfig":
        if self.arm.tuned is not None and isinstance(self.projector, MixtureConfig):
            raise ValueError(
                f"arm {self.arm.name!r} tunes its encoder and takes no mixture: give its runs a "
                f"ProjectorConfig; got {self.projector!r}"
            )
        return self

    @model_validator(mode="after")
    def _text_users_are_of_an_arm_that_reads_them(self) -> "RunConfig":
        by_text = isinstance(self.backbone, TextUsersConfig)
        if self.backbone is not None and by_text != (self.arm.user_text is not None):
            raise ValueError(
                f"backbone TextUsers and an arm with user_text go together; got "
                f"{self.backbone.name} and arm {self.arm.name!r} with {self.arm.user_text!r}"
            )
        shared = isinstance(self.backbone, TextUsersConfig) and self.backbone.shared
        if shared and self.arm.with_ids:
            raise ValueError(
                f"TextUsers shares the projector of items that are text alone; arm "
                f"{self.arm.name!r} has with_ids={self.arm.with_ids!r}: shared=False"
            )
        return self

    @model_validator(mode="after")
    def _a_target_is_no_source(self) -> "RunConfig":
        if self.arm.transfer is not None and self.dataset in self.arm.transfer.sources:
            raise ValueError(
                f"source and target must be different data sets; arm {self.arm.name!r} goes from "
                f"{self.arm.transfer.source} to {self.dataset}"
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
        filters: Applied first, in this order: of `tcf.data`, with their settings given by
            `functools.partial`.
        min_interactions: Users with fewer, after the filters, are left out.
        last: Latest interactions kept of each user.
        split: Makes the split of what is left: of `tcf.data`, likewise, or one's own. The records
            tell its settings; its checksum, of what is trained on and ranked, is in each run's
            fingerprint. Data sets split in two ways need two names in ``runs``.
        sources: Data sets that arms are transferred from, by name: each loads as ``load`` does, and
            is filtered and split in the same way. What is trained on them has records too, beside
            those of the target.
        metrics: Computed for each run.
        tuning: A search that every arm with training goes through before its runs; its best
            settings take the place of those in ``runs``.
        expected: What the filters will leave of its data, for plans where the data are not at hand.
        searches: What the search of each cell gave, for the records; `tcf.study.tune` fills it.
    """

    name: str
    load: Load
    runs: tuple[RunConfig, ...] = field(repr=False)
    encoders: Callable[[Sequence[str], Catalog, Path], Mapping[str, Any]] | None = None
    filters: tuple[Filter, ...] = ()
    min_interactions: int = 5
    last: int | None = 23
    split: Callable[[Catalog, Interactions], Split] = leave_one_out
    sources: Mapping[str, Load] = field(default_factory=dict, repr=False)
    metrics: tuple[str, ...] = ("hr@10", "ndcg@10", "hr@20", "ndcg@20", "mrr@10")
    tuning: Tuning | None = None
    expected: Counts | None = None
    searches: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)


_PROJECTOR = ProjectorConfig()


def grid(
    *,
    dataset: str,
    arms: Sequence[Arm],
    backbones: Sequence[Preset | tuple[AnyBackbone, TrainConfig]],
    seeds: Sequence[int] = (0, 1, 2),
    dim: int | None = None,
    projector: AnyProjector = _PROJECTOR,
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


def fingerprint(
    config: RunConfig,
    *,
    split: str,
    vectors: str | None,
    source: str | None = None,
    labels: str | None = None,
) -> str:
    """Return the hash of everything that decides a run's figures; paths are no part of it.

    Args:
        config: Resolved config.
        split: The split's checksum.
        vectors: The key of the item vectors; None for an arm without text.
        source: Of a transfer, the fingerprint of the run whose weights it starts from.
        labels: The checksum of the items' labels; None for an arm that reads none.
    """
    return hash_json(
        {
            "config": config.model_dump(mode="json"),
            "split": split,
            "vectors": vectors,
            "numbers": NUMBERS,
            **({"source": source} if source else {}),
            **({"labels": labels} if labels else {}),
        }
    )
