"""encode_arms(): what every arm of a study knows of its items' texts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tcf._util import hash_json
from tcf.data.split import Split
from tcf.data.strings import taken
from tcf.encode.embeddings import Embeddings
from tcf.encode.encoders import resolve
from tcf.encode.items import encode_catalog
from tcf.encode.planner import flops_per_item
from tcf.encode.spec import EncoderSpec
from tcf.encode.transform import AnyTransform, apply_transforms
from tcf.encode.trunk import encode_trunk
from tcf.encode.untrained import random_weights
from tcf.errors import EncoderError
from tcf.study.arms import Arm
from tcf.study.build import ItemText
from tcf.study.config import Study
from tcf.study.user_texts import encode_users

__all__ = ["Fitted", "encode_arms", "read_arms"]


@dataclass(frozen=True)
class Fitted:
    """Where the transforms of a transfer are fitted: a source's split, and its vectors before them.

    Attributes:
        split: Its training items are fitted on.
        vectors: By the arm's name.
    """

    split: Split
    vectors: Mapping[str, ItemText]


def encode_arms(
    study: Study, split: Split, *, cache: Path, fitted: Fitted | None = None
) -> dict[str, ItemText]:
    """Return the item vectors of each arm with text, made or found, by the arm's name.

    An arm's transforms are fitted on the items that occur in the training part; where they go to
    the smallest width, it is that of the study's narrowest frozen language model. Of a tuned arm,
    it is the states that enter the lowest tuned block. Where users are read as texts, theirs are
    there as well. An arm of random weights is read from its encoder's shape with weights drawn
    anew, unless ``study.encoders`` made it as it is.

    Args:
        study: Its arms are read.
        split: Whose items they read.
        cache: Folder of the vectors.
        fitted: Fit the transforms there, and not on the training part of ``split``.
    """
    found = read_arms(study, split, cache=cache)
    return _transformed(_arms(study), found, fitted or Fitted(split, {}))


def read_arms(study: Study, split: Split, *, cache: Path) -> dict[str, ItemText]:
    """Return what `encode_arms` does, before any transform; what is read alike is read once."""
    arms = _arms(study)
    names = sorted({arm.encoder for arm in arms.values() if arm.encoder})
    known = study.encoders(names, split.catalog, cache) if study.encoders and names else {}
    found: dict[str, ItemText] = {}
    read: dict[str, ItemText] = {}
    for name, arm in arms.items():
        if (alike := _reading(arm)) in read:
            found[name] = read[alike]
            continue
        encoder: Any = known.get(arm.encoder or "", arm.encoder)
        is_random = "random" in (arm.kind, arm.encoder_kind) and arm.encoder not in known
        if arm.control == "random_weights" or is_random:
            encoder = _drawn_anew(encoder, arm, cache)
        encode = encode_catalog if arm.tuned is None else encode_trunk
        how = arm.encoding() if arm.tuned is None else arm.trunk()
        made: Any = encode(split.catalog, encoder=encoder, cache=cache, **how)
        about = {**made.manifest, "name": arm.encoder}
        if (work := _flops_per_item(arm, encoder, split.catalog.texts)) is not None:
            about["parameters"] = {**made.manifest["parameters"], "flops_per_item": work}
        made = replace(made, manifest=about)
        if arm.user_text is not None:
            made = encode_users(arm, made, split, encoder=encoder, cache=cache)
        found[name] = read[alike] = made
    return found


def _arms(study: Study) -> dict[str, Arm]:
    return {config.arm.name: config.arm for config in study.runs if config.arm.encoder}


def _reading(arm: Arm) -> str:
    """Tell ways of reading apart; a nearest arm reads as the one that it belongs to."""
    how = arm.encoding() if arm.tuned is None else arm.trunk()
    kind = arm.encoder_kind or arm.kind
    users = arm.user_text and arm.user_text.model_dump()
    drawn = arm.control == "random_weights"
    return hash_json([kind, arm.encoder, drawn, bool(arm.tuned), how, users])


def _drawn_anew(encoder: Any, arm: Arm, cache: Path) -> EncoderSpec:
    """Return the encoder with random weights, to be read as it is: same pooling, same prompt."""
    if not isinstance(encoder, str | Path | EncoderSpec):
        raise EncoderError(
            f"arm {arm.name!r}: random weights are drawn for a language model, named by its "
            f"folder or on the hub; {arm.encoder!r} is a {type(encoder).__name__}"
        )
    spec = resolve(encoder, **arm.encoding())
    folder = random_weights(spec, cache / "untrained", seed=0)
    return spec.model_copy(update={"name": str(folder), "revision": None})


def _flops_per_item(arm: Arm, encoder: Any, texts: Sequence[str]) -> int | None:
    """Return the encoder's work for an item; None where it is no transformer with a config."""
    if "static" in (arm.kind, arm.encoder_kind) or not isinstance(
        encoder, str | Path | EncoderSpec
    ):
        return None
    try:
        return round(flops_per_item(texts, encoder=encoder, **arm.encoding()))
    except (EncoderError, ValueError):  # ready vectors, an endpoint, word vectors
        return None


def _transformed(
    arms: Mapping[str, Arm], vectors: Mapping[str, ItemText], fitted: Fitted
) -> dict[str, ItemText]:
    """Apply each arm's transforms; a tuned arm has none."""
    split = fitted.split
    training = taken(split.catalog.item_ids, np.unique(split.train.rows) - 1)
    made: dict[str, ItemText] = {}
    widths: list[int] = []
    for name, arm in sorted(arms.items(), key=lambda item: _to_smallest(item[1])):
        found = vectors[name]
        if isinstance(found, Embeddings):
            transforms = arm.transforms
            if _to_smallest(arm):  # these come last
                transforms = _sized(arm, widths)
            there = fitted.vectors.get(name)
            there = there if isinstance(there, Embeddings) else None
            found = apply_transforms(found, transforms, fit_on=training, fit_to=there)
            if arm.kind == "model" and arm.control is None and not _to_smallest(arm):
                widths.append(found.width)
        made[name] = found
    return made


def _to_smallest(arm: Arm) -> bool:
    return any(getattr(step, "dims", None) == "smallest" for step in arm.transforms)


def _sized(arm: Arm, widths: Sequence[int]) -> list[AnyTransform]:
    """Return the arm's transforms with the smallest of the widths in the place of its name."""
    if not widths:
        raise ValueError(
            f"arm {arm.name!r} goes to the smallest width of the study's frozen language models; "
            "it has none: add an arm of kind 'model', or give dims as a number"
        )
    return [
        step.model_copy(update={"dims": min(widths)})
        if getattr(step, "dims", None) == "smallest"
        else step
        for step in arm.transforms
    ]
