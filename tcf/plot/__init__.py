"""Table -> figure and exactly the numbers drawn: nothing is read or fitted here. No torch."""

from tcf._util import lazy_exports

_HOMES = {
    "Drawing": "drawing",
    "cost_plot": "cost",
    "grouped_plot": "grouped",
    "grouped_rows": "grouped",
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
    "cost_plot",
    "grouped_plot",
    "grouped_rows",
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
