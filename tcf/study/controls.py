"""Control arms: what a text arm must beat before its result is about language. Loads no torch."""

from collections.abc import Collection, Sequence

from tcf._util import lookup
from tcf.encode.transform import PCA, RandomProjection, RandomVectors, Shuffle
from tcf.study.arms import Arm

__all__ = ["CONTROLS", "controls"]

CONTROLS = {
    "width": "all encoders brought to one width: is it size, or wider vectors?",
    "random_weights": "the same shape with the weights of its start: is it what training taught?",
    "shuffled": "each item gets another item's vector: is it what the text says?",
    "random_vectors": "noise of the same width and scale: is it any vector at all?",
    "tfidf": "bags of words: is it more than which words occur?",
    "popularity": "counts alone: is it more than which items are taken often?",
}
"""Control -> the question that it answers."""


def controls(arms: Sequence[Arm], *, which: Collection[str] = tuple(CONTROLS)) -> list[Arm]:
    """Return the control arms that belong to these arms: ``arms = [*arms, *controls(arms)]``.

    ``"width"`` gives every frozen encoder two arms, by PCA and by a random projection to the width
    of the narrowest; where there is but one encoder it gives none. ``"random_weights"``,
    ``"shuffled"`` and ``"random_vectors"`` belong to the encoder that comes last, which in a ladder
    is the largest. ``"tfidf"`` and ``"popularity"`` are left out where the arms have them.

    Args:
        arms: Of a study; those of language models are controlled.
        which: Some of `CONTROLS`.

    Raises:
        ValueError: If a control is unknown, or no arm is of a frozen language model.
    """
    for name in which:
        lookup(CONTROLS, name, "a control")
    encoders = [
        arm
        for arm in arms
        if arm.kind == "model"
        and not (arm.tuned or arm.with_ids or arm.transfer or arm.semantic_ids or arm.auxiliary)
        and arm.share == 1
    ]
    if not encoders:
        names = ", ".join(arm.name for arm in arms) or "none"
        raise ValueError(f"controls are of frozen language models; the arms are {names}")
    last, made = encoders[-1], list[Arm]()
    if "width" in which and len(encoders) > 1:
        for arm in encoders:
            made += _at_one_width(arm)
    if "random_weights" in which:
        made.append(_of(last, "random weights", "random_weights", kind="random"))
    if "shuffled" in which:
        transforms = (*last.transforms, Shuffle())
        made.append(_of(last, "shuffled texts", "shuffled", transforms=transforms))
    if "random_vectors" in which:
        transforms = (*last.transforms, RandomVectors())
        made.append(_of(last, "random vectors", "random_vectors", transforms=transforms))
    if "tfidf" in which and not any(arm.encoder == "tfidf-svd" for arm in arms):
        made.append(Arm(name="TF-IDF", kind="static", encoder="tfidf-svd", control="tfidf"))
    if "popularity" in which and not any(arm.kind == "popularity" for arm in arms):
        made.append(Arm(name="popularity", kind="popularity", control="popularity"))
    return made


def _at_one_width(arm: Arm) -> list[Arm]:
    return [
        _of(
            arm,
            name,
            "width",
            transforms=(*arm.transforms, transform),
            family=f"{arm.family or arm.name}, {name}",
        )
        for name, transform in (
            ("PCA to one width", PCA(dims="smallest")),
            ("projected to one width", RandomProjection(dims="smallest")),
        )
    ]


def _of(arm: Arm, name: str, control: str, **changes: object) -> Arm:
    """Return a copy that differs in what the control is about; of itself it has no family."""
    settings = {field: getattr(arm, field) for field in arm.model_fields_set}
    about = {"name": f"{arm.name}, {name}", "control": control, "control_of": arm.name}
    return Arm.model_validate({**settings, "family": None, **about, **changes})
