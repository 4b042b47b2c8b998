"""open_study(): a study with its data at hand, its sources' as well, and who starts from whom."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tcf.data.catalog import Catalog, Interactions
from tcf.data.filter import FilterReport, apply_filters, filter_interactions
from tcf.data.labels import Labels
from tcf.data.sources import join_datasets
from tcf.data.split import Split
from tcf.errors import DataError, EncoderError
from tcf.model.backbones import BACKBONES
from tcf.model.carry import check_users_carried, users_known
from tcf.study.arms import MetadataConfig
from tcf.study.build import ItemText
from tcf.study.config import Load, RunConfig, Study, fingerprint
from tcf.study.encoding import Fitted, encode_arms, read_arms
from tcf.study.records import about_labels
from tcf.study.sources import on_source, runs_by_sources
from tcf.study.transfer import Transfer
from tcf.train.examples import check_users

__all__ = ["Opened", "Start", "load_split", "open_study"]

_FEWEST_USERS = 2


@dataclass(frozen=True)
class Start:
    """The run whose weights another one starts from.

    Attributes:
        config, key: Of that run: its config and its fingerprint.
        checksum: Of its split.
        user_ids: Of source and target, where equal ids are the same people.
    """

    config: RunConfig
    key: str
    checksum: str
    user_ids: tuple[Sequence[str], Sequence[str]] | None = field(default=None, repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return it for a record."""
        told = {"run": self.config.name, "fingerprint": self.key, "checksum": self.checksum}
        if self.user_ids is None:
            return told
        return {**told, "users_known": int((users_known(self.user_ids) >= 0).sum())}


@dataclass(frozen=True)
class Opened:
    """A study, its split, and what each arm knows of the items' texts.

    Attributes:
        study, split, report: The study, and what `load_split` makes of its data.
        vectors: Of each arm with text, by the arm's name.
        sources: Likewise of what its arms are transferred from: a study each, of the runs that are
            started from, by the names of the data sets.
    """

    study: Study
    split: Split
    report: FilterReport
    vectors: Mapping[str, ItemText]
    sources: Mapping[tuple[str, ...], "Opened"] = field(default_factory=dict)

    def key(self, config: RunConfig) -> str:
        """Return the fingerprint of a run."""
        vectors, start = self.vectors.get(config.arm.name), self.start(config)
        return fingerprint(
            config,
            split=self.split.checksum,
            vectors=vectors.key if vectors else None,
            source=start.key if start else None,
            **about_labels(config.arm, self.split.catalog),
        )

    def start(self, config: RunConfig) -> Start | None:
        """Return what a run starts from; None: from scratch."""
        transfer = config.arm.transfer
        if transfer is None:
            return None
        source = self.sources[transfer.sources]
        base = on_source(config, self.study)
        ids = source.split.train.user_ids, self.split.train.user_ids
        users = ids if transfer.same_users else None
        return Start(base, source.key(base), source.split.checksum, users)


def open_study(study: Study, data: Path | None, *, cache: Path) -> Opened:
    """Load a study's data and make or find its vectors, and those of what it is transferred from.

    Args:
        study: Its runs say what is needed.
        data: Handed to ``study.load``, and to those of its sources.
        cache: Folder of the vectors.

    Raises:
        ValueError: If a source or the arm that is started from is not in the study, the two arms
            differ, or the study has a search for settings as well.
        DataError, EncoderError: If the vectors of source and target are not of one encoder, with
            the same settings and transforms.
    """
    groups = runs_by_sources(study)
    split, report = load_split(study, data)
    for config in study.runs:
        _check_labels(config, split)
        if config.backbone is not None:
            check_users(BACKBONES[config.backbone.name], split)
    plain = tuple(config for config in study.runs if config.arm.transfer is None)
    with _named(study, "to its own items" if groups else None):
        vectors = encode_arms(replace(study, runs=plain), split, cache=cache)
    opened = {}
    for names, runs in groups.items():
        source = opened[names] = _open_source(study, names, runs, data, cache)
        vectors |= _carried(replace(study, runs=tuple(runs)), split, source, cache)
    made = Opened(study, split, report, vectors, opened)
    for config in study.runs:
        _check_users(config, made)
    return made


def load_split(study: Study, data: Path | None) -> tuple[Split, FilterReport]:
    """Load, filter and split a study's data.

    Raises:
        ValueError: If the split asks for several test targets of a user, or asks one user alone.
    """
    last = partial(filter_interactions, min_interactions=study.min_interactions, last=study.last)
    catalog, interactions, report = apply_filters(*study.load(data), filters=(*study.filters, last))
    split = study.split(catalog, interactions)
    if not split.test.one_a_user:
        raise ValueError(
            "a study asks each user for one test target, so that its intervals are over users; "
            f"{split.report} asks {len(np.unique(split.test.users))} users for {len(split.test)}: "
            "take targets='first' or 'last', or rank_targets without a study"
        )
    if len(split.test) < _FEWEST_USERS:
        raise ValueError(
            f"a study needs {_FEWEST_USERS} test users or more, since an interval over one does "
            f"not exist; the data of {study.name!r} have {len(split.test)}: take more users, or "
            "rank_targets without a study"
        )
    return split, report


def _open_source(
    study: Study, names: tuple[str, ...], runs: Sequence[RunConfig], data: Path | None, cache: Path
) -> Opened:
    loads = {name: study.sources[name] for name in names}
    bases = dict.fromkeys(map(partial(on_source, study=study), runs))  # each once
    source = replace(
        study,
        name=f"{study.name}, {' + '.join(names)}",
        load=partial(_joined, loads),
        runs=tuple(bases),
        sources={},
        expected=None,
    )
    with _named(study, f"from {' + '.join(names)}"):
        return open_study(source, data, cache=cache)


@contextmanager
def _named(study: Study, which: str | None) -> Iterator[None]:
    """Say of an error on which side of a transfer something is missing."""
    try:
        yield
    except (DataError, EncoderError) as error:
        if which is None:
            raise
        raise type(error)(
            f"study {study.name!r} transfers {which}; a transfer needs the data of both sides and "
            f"their vectors by one encoder: {error}"
        ) from error


def _joined(loads: Mapping[str, Load], data: Path | None) -> tuple[Catalog, Interactions]:
    return join_datasets({name: load(data) for name, load in loads.items()}, prefixed=True)


def _carried(study: Study, split: Split, source: Opened, cache: Path) -> dict[str, ItemText]:
    """Return the target's vectors for arms that start from a source, transformed as there."""
    starts: dict[str, Transfer] = {}
    for config in study.runs:
        assert config.arm.transfer is not None
        starts[config.arm.name] = config.arm.transfer
        if any(getattr(step, "dims", None) == "smallest" for step in config.arm.transforms):
            raise ValueError(
                f"arm {config.arm.name!r} goes to the width of a study's narrowest encoder, which "
                "need not be that of a source's: give dims as a number"
            )
    before = {}
    if any(config.arm.transforms for config in study.runs):
        raw = read_arms(source.study, source.split, cache=cache)
        before = {name: raw[transfer.arm] for name, transfer in starts.items()}
    made = encode_arms(study, split, cache=cache, fitted=Fitted(source.split, before))
    for name, vectors in made.items():
        there = source.vectors[starts[name].arm]
        if vectors.key != there.key:
            raise EncoderError(
                f"arm {name!r}: the vectors of source and target must come from one encoder with "
                f"the same settings; those of {starts[name].source} have the key {there.key[:12]}, "
                f"the target's {vectors.key[:12]}, and differ in {_differ(there, vectors)}. What "
                "is fitted to each catalogue (TF-IDF, shuffled texts) cannot transfer; ready "
                "vectors keep their encoder's key where Embeddings.save wrote them"
            )
    return made


def _differ(one: ItemText, other: ItemText) -> str:
    names = sorted(one.manifest.keys() | other.manifest.keys())
    told = [n for n in names if one.manifest.get(n) != other.manifest.get(n)]
    return ", ".join(told) or "what their key hashes"


def _check_users(config: RunConfig, opened: Opened) -> None:
    """Raise if a run would rank users whom it knows by IDs and has learned nothing of."""
    if config.backbone is None:
        return
    backbone, start = BACKBONES[config.backbone.name], opened.start(config)
    if start is not None:
        check_users_carried(backbone, same_users=start.user_ids is not None)
    if backbone.examples != "pairs" or config.arm.share == 1:
        return
    test = opened.split.test.users
    unknown = np.ones(len(test), bool)
    if config.arm.share == 0 and start is not None and start.user_ids is not None:
        unknown = users_known(start.user_ids)[test] < 0
    if unknown.any():
        raise ValueError(
            f"{config.name}: {config.backbone.name} knows a user by an ID that it is trained on; "
            f"share={config.arm.share:g} leaves out {unknown.sum()} of {len(test)} test users: "
            "take share=1 or a backbone that reads histories, such as SASRec"
        )


def _check_labels(config: RunConfig, split: Split) -> None:
    """Raise before anything is encoded where an arm reads labels and the items have none."""
    chosen = config.arm.auxiliary
    if isinstance(chosen, MetadataConfig) and config.arm.reads_labels:
        try:
            Labels.of(split.catalog, separator=chosen.separator)
        except DataError as error:
            raise DataError(
                f"arm {config.arm.name!r} predicts the labels of items: {error}"
            ) from error
