"""Trains a controlled family of language models from scratch: one thing differs, the size."""

from tcf._util import lazy_exports

_HOMES = {
    "Cost": "cost",
    "Recipe": "recipe",
    "Size": "sizes",
    "equal_ratios": "sizes",
    "ladder_costs": "cost",
    "num_parameters": "sizes",
    "train_ladder": "family",
}
__all__ = [
    "Cost",
    "Recipe",
    "Size",
    "equal_ratios",
    "ladder_costs",
    "num_parameters",
    "train_ladder",
]
__getattr__ = lazy_exports(__name__, _HOMES)
