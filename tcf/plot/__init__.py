"""Table -> figure and exactly the numbers drawn: nothing is read or fitted here. No torch."""

from tcf._util import lazy_exports

_HOMES = {
    "Drawing": "drawing",
    "published_plot": "scaling",
    "scaling_plot": "scaling",
}
__all__ = [
    "Drawing",
    "published_plot",
    "scaling_plot",
]
__getattr__ = lazy_exports(__name__, _HOMES)
