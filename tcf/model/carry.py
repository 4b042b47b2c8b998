"""carry_weights(): what was learned on one data set as the start on another."""

from collections.abc import Sequence
from os import PathLike
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from tcf.model.backbone import Backbone
from tcf.model.recommender import Recommender
from tcf.model.weights import read_weights

__all__ = ["carry_weights", "check_users_carried", "users_known"]

_BACKBONE = "backbone"


def carry_weights(
    model: Recommender,
    path: str | PathLike[str],
    *,
    carry: Literal["backbone", "all"],
    user_ids: tuple[Sequence[str], Sequence[str]] | None = None,
) -> None:
    """Give a new recommender what another one learned; all is checked before anything is changed.

    No weight may belong to an item of one catalogue. The tower must read both catalogues alike:
    vectors of one encoder, settings and transforms have one key, which saved weights tell and are
    held to. With ``carry="backbone"`` projector and encoder stay as they are, and nothing is asked
    of the vectors.

    Args:
        model: Over the target's items and users, with weights of its own.
        path: What `Recommender.save` wrote of a model over the source's.
        carry: The backbone's weights, or those of the whole recommender.
        user_ids: Of source and target, in the order of their users, where equal ids are the same
            people: a backbone that has a vector a user takes those of the users known to both, and
            the others keep theirs.

    Raises:
        ValueError: If the tower has weights of its own items, or the backbone of its own users and
            ``user_ids`` is None.
        DataError: If the file is missing or damaged, or its weights are of another architecture,
            or for other vectors.
    """
    if model.tower.has_item_weights:
        raise ValueError(
            f"{type(model.tower).__name__} has a learned vector an item, and the items of another "
            "data set are others: what is carried over must be learned of texts (FrozenTextTower, "
            "TunedTextTower)"
        )
    check_users_carried(model.backbone, same_users=user_ids is not None)
    state = model.state_dict()
    part = _BACKBONE if carry == "backbone" else None
    like = {n: w for n, w in state.items() if part is None or n.startswith(f"{part}.")}
    if not like:
        raise ValueError(f"{type(model.backbone).__name__} has no weights to carry over")
    tables = [f"{_BACKBONE}.{name}" for name in model.backbone.user_tables]
    if user_ids is not None:
        for name in tables:  # of as many rows as the source has users
            like[name] = torch.empty(len(user_ids[0]), *like[name].shape[1:], device="meta")
    held = read_weights(path, like, architecture=model.architecture(), part=part)
    if user_ids is not None:
        for name in tables:
            held[name] = _of_known(held[name], state[name], user_ids)
    model.load_state_dict(held, strict=part is None)


def check_users_carried(backbone: Backbone | type[Backbone], *, same_users: bool) -> None:
    """Raise unless what a backbone learned of its users means something on another data set.

    Raises:
        ValueError: If it has a vector a user, and ``same_users`` does not say that equal user ids
            are the same people; if it knows users in another way than by their histories; or if
            ``same_users`` is said of one that has nothing a user.
    """
    name = (backbone if isinstance(backbone, type) else type(backbone)).__name__
    if backbone.examples == "pairs" and not backbone.user_tables:
        raise ValueError(
            f"{name} knows the users of its training alone, and cannot be carried over: take a "
            "backbone that reads histories, such as SASRec"
        )
    if same_users and not backbone.user_tables:
        raise ValueError(
            f"{name} reads histories and has no vector a user, so that same_users has nothing to "
            "carry over: leave it out"
        )
    if backbone.user_tables and not same_users:
        raise ValueError(
            f"the user tower of {name} is a table of user IDs, which cannot transfer: users of "
            "another data set are others. Take a backbone that reads histories, such as SASRec; "
            "or, where equal user ids are the same people, say so (same_users=True)"
        )


def users_known(user_ids: tuple[Sequence[str], Sequence[str]]) -> np.ndarray:
    """Return for each user of the target the place of the same id in the source; -1: none."""
    place = {user_id: number for number, user_id in enumerate(user_ids[0])}
    known = (place.get(user_id, -1) for user_id in user_ids[1])
    return np.fromiter(known, np.int64, len(user_ids[1]))


def _of_known(
    theirs: Tensor, ours: Tensor, user_ids: tuple[Sequence[str], Sequence[str]]
) -> Tensor:
    """Return our users' vectors with those that the source knows in their places."""
    known = torch.from_numpy(users_known(user_ids))
    if (known < 0).all():
        raise ValueError(
            "users must overlap for what was learned of them to be carried over; of "
            f"{len(known):,} users of the target the source knows none"
        )
    both = (known >= 0).nonzero().squeeze(1)
    return ours.detach().cpu().index_copy(0, both, theirs[known[both]])
