"""Texts in, matrix out: any Hugging Face or sentence-transformers model, or TF-IDF + SVD."""

from tcf._util import lazy_exports

_HOMES = {
    "ENCODERS": "spec",
    "Backend": "backends.protocol",
    "Embeddings": "embeddings",
    "EncoderSpec": "spec",
    "Finding": "findings",
    "TfidfSvd": "backends.static",
    "diagnose": "doctor",
    "drift": "doctor",
    "encode_catalog": "items",
    "encode_items": "items",
}

__all__ = [
    "ENCODERS",
    "Backend",
    "Embeddings",
    "EncoderSpec",
    "Finding",
    "TfidfSvd",
    "diagnose",
    "drift",
    "encode_catalog",
    "encode_items",
]

__getattr__ = lazy_exports(__name__, _HOMES)
