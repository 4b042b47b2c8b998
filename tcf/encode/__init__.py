"""Texts in, matrix out: any Hugging Face or sentence-transformers model, or TF-IDF + SVD."""

from tcf._util import lazy_exports

_HOMES = {
    "ENCODERS": "spec",
    "Backend": "backends.protocol",
    "Embeddings": "embeddings",
    "EncoderSpec": "spec",
    "Reading": "backends.protocol",
    "TfidfSvd": "backends.static",
    "encode_catalog": "items",
    "encode_items": "items",
}

__all__ = [
    "ENCODERS",
    "Backend",
    "Embeddings",
    "EncoderSpec",
    "Reading",
    "TfidfSvd",
    "encode_catalog",
    "encode_items",
]

__getattr__ = lazy_exports(__name__, _HOMES)
