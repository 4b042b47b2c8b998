"""What the dials of a world may be."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from tcf._util import lookup

Sampler = Literal["gumbel", "inverse"]
_SHARES = (
    *("text_share", "word_order_share", "drift", "text_noise", "swapped_titles"),
    *("taste_walk", "new_items", "new_after"),
)
_STRENGTHS = ("popularity_skew", "focus", "popularity_walk")
_SIZES = {
    "num_users": 1,
    "num_items": 2,
    "num_tastes": 1,
    "num_words": 1,
    "num_synonyms": 1,
    "num_days": 1,
}
_OF_TIME = ("taste_walk", "popularity_walk", "new_items", "new_after")


def check_dials(dials: Mapping[str, Any]) -> None:
    """Refuse what no world can have.

    Args:
        dials: All arguments of `simulate_world`, by name.

    Raises:
        ValueError: If one is out of its range, or two do not fit each other.
    """
    for name in _SHARES:
        if not 0 <= dials[name] <= 1:
            raise ValueError(f"{name} must be between 0 and 1; got {dials[name]}")
    for name in _STRENGTHS:
        if not 0 <= dials[name] < np.inf:
            raise ValueError(f"{name} must be finite and not negative; got {dials[name]}")
    for name, least in _SIZES.items():
        if dials[name] is not None and dials[name] < least:
            raise ValueError(f"{name} must be at least {least}; got {dials[name]}")
    lookup(dict.fromkeys(get_args(Sampler)), dials["sampler"], "sampler")
    _check_supply(dials)
    _check_days(dials)


def _check_supply(dials: Mapping[str, Any]) -> None:
    """Refuse users who could not take as many items as they are to take."""
    least, most = dials["min_interactions"], dials["max_interactions"]
    if not 1 <= least <= most:
        raise ValueError(
            f"interactions a user need 1 <= min_interactions <= max_interactions; "
            f"got {least} and {most}"
        )
    num_items = dials["num_items"]
    if most >= num_items and not dials["repeats"]:
        raise ValueError(
            f"without repeats max_interactions must be below num_items={num_items}; got {most}"
        )
    old = num_items - round(dials["new_items"] * num_items)
    if old < (1 if dials["repeats"] else most):
        raise ValueError(
            f"users may come on the first day, when {old} of {num_items} items are there, and take "
            f"up to max_interactions={most}: lower new_items={dials['new_items']}"
        )


def _check_days(dials: Mapping[str, Any]) -> None:
    """Refuse dials of time in a world without time, and new items without a day to appear on."""
    turned, num_days = [name for name in _OF_TIME if dials[name]], dials["num_days"]
    if num_days is None:
        if turned:
            raise ValueError(f"only a world with num_days has time for {', '.join(turned)}")
        return
    if dials["new_items"] and max(1, np.ceil(dials["new_after"] * num_days)) >= num_days:
        raise ValueError(
            f"new items appear on a later day than the first and than new_after="
            f"{dials['new_after']} of the period; none of num_days={num_days} is"
        )
