"""What runs behind `encode_items`: one protocol, and one module for each way to make vectors."""

from tcf._util import lazy_exports

_HOMES = {
    "Backend": "protocol",
    "HfBackend": "hf",
    "SentenceBackend": "sentence",
    "TfidfSvd": "static",
}

__all__ = ["Backend", "HfBackend", "SentenceBackend", "TfidfSvd"]

__getattr__ = lazy_exports(__name__, _HOMES)
