"""What runs behind `encode_items`: one protocol, and one module for each way to make vectors."""

from tcf._util import lazy_exports

_HOMES = {
    "ApiEncoder": "api",
    "Backend": "protocol",
    "HashedNgrams": "static",
    "HfBackend": "hf",
    "SentenceBackend": "sentence",
    "TfidfSvd": "static",
    "WordVectors": "words",
    "read_vectors": "arrays",
    "vectors_of": "arrays",
}

__all__ = [
    "ApiEncoder",
    "Backend",
    "HashedNgrams",
    "HfBackend",
    "SentenceBackend",
    "TfidfSvd",
    "WordVectors",
    "read_vectors",
    "vectors_of",
]

__getattr__ = lazy_exports(__name__, _HOMES)
