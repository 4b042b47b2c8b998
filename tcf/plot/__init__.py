"""Table -> figure and exactly the numbers drawn: nothing is read or fitted here. No torch."""

from tcf._util import lazy_exports

_HOMES = {
    "Drawing": "drawing",
    "candidates_plot": "candidates",
    "cost_plot": "cost",
    "ladder_plot": "ladder",
    "layers_plot": "matrix",
    "learning_plot": "learning",
    "published_plot": "scaling",
    "scaling_plot": "scaling",
    "transfer_plot": "matrix",
    "tuned_plot": "paired",
    "versus_id_plot": "paired",
    "warm_plot": "warm",
    "years_plot": "years",
}
__all__ = [
    "Drawing",
    "candidates_plot",
    "cost_plot",
    "ladder_plot",
    "layers_plot",
    "learning_plot",
    "published_plot",
    "scaling_plot",
    "transfer_plot",
    "tuned_plot",
    "versus_id_plot",
    "warm_plot",
    "years_plot",
]
__getattr__ = lazy_exports(__name__, _HOMES)
