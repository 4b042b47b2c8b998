"""Which run a transferred one starts from, by the configs alone."""

from tcf._util import lookup
from tcf.study.arms import Arm
from tcf.study.config import RunConfig, Study

__all__ = ["on_source", "runs_by_sources"]

_NAMES = {"name", "family", "transfer", "share"}


def runs_by_sources(study: Study) -> dict[tuple[str, ...], list[RunConfig]]:
    """Return the runs that are transferred, by where from; what they start from is checked.

    Raises:
        ValueError: As `on_source`; or if a source is not in the study, or the study has a search.
    """
    groups: dict[tuple[str, ...], list[RunConfig]] = {}
    for config in study.runs:
        if (transfer := config.arm.transfer) is None:
            continue
        for name in transfer.sources:
            lookup(study.sources, name, "source")
        on_source(config, study)
        groups.setdefault(transfer.sources, []).append(config)
    if groups and study.tuning is not None:
        raise ValueError(
            f"study {study.name!r} transfers weights, which must fit the model that is searched "
            "for: leave out tuning, and give the settings"
        )
    return groups


def on_source(config: RunConfig, study: Study) -> RunConfig:
    """Return the run on the source that a run starts from: the named arm's, of the same seed.

    Raises:
        ValueError: If it is not among the study's runs, or its arm differs in more than the
            transfer and the share of users.
    """
    transfer = config.arm.transfer
    assert transfer is not None
    for base in study.runs:
        if (
            base.arm.name == transfer.arm
            and base.seed == config.seed
            and (_backbone(base) == _backbone(config))
        ):
            _check_alike(base.arm, config.arm)
            return base.model_copy(update={"dataset": transfer.source})
    raise ValueError(
        f"{config.name} starts from what arm {transfer.arm!r} learned on {transfer.source}, so "
        f"that arm must be among the runs of study {study.name!r} under {_backbone(config)} with "
        f"seed {config.seed}, where it is trained on the target from scratch: add it"
    )


def _backbone(config: RunConfig) -> str | None:
    return config.backbone and config.backbone.name


def _check_alike(base: Arm, arm: Arm) -> None:
    if base.transfer is not None or base.share != 1:
        raise ValueError(
            f"arm {arm.name!r} must start from one that is trained from scratch on all users; "
            f"{base.name!r} is not"
        )
    one, other = (of.model_dump(exclude=_NAMES) for of in (base, arm))
    differ = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    if differ:
        raise ValueError(
            f"arms {arm.name!r} and {base.name!r}, from which it starts, must differ in transfer "
            f"and share alone; they differ in {', '.join(differ)}: use transferred(...)"
        )
