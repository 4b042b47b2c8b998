"""What runs behind `encode_items`: one protocol, and one module for each way to make vectors."""

from tcf._util import lazy_exports

_HOMES = {
    "Backend": "protocol",
    "HashedNgrams": "static",
    "HfBackend": "hf",
    "SentenceBackend": "sentence",
    "TfidfSvd": "static",
    "WordVectors": "words",
}

__all__ = ["Backend", "HashedNgrams", "HfBackend", "SentenceBackend", "TfidfSvd", "WordVectors"]

__getattr__ = lazy_exports(__name__, _HOMES)
