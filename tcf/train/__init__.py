"""The one training loop, its settings, and its optimiser."""

from tcf._util import lazy_exports

_HOMES = {
    "Config": "config",
    "EpochRecord": "loop",
    "History": "loop",
    "TrainConfig": "config",
    "fit": "loop",
    "log_popularity": "examples",
    "training_batches": "examples",
}
__all__ = [
    "Config",
    "EpochRecord",
    "History",
    "TrainConfig",
    "fit",
    "log_popularity",
    "training_batches",
]
__getattr__ = lazy_exports(__name__, _HOMES)
