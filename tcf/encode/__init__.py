"""Texts in, matrix out: any Hugging Face or sentence-transformers model, or TF-IDF + SVD."""

from tcf._util import lazy_exports

_HOMES = {
    "ENCODERS": "encoders",
    "Backend": "backends.protocol",
    "Embeddings": "embeddings",
    "EncoderSpec": "spec",
    "KnownEncoder": "encoders",
    "Plan": "planner",
    "TfidfSvd": "backends.static",
    "encode_catalog": "items",
    "encode_items": "items",
    "plan": "planner",
}

__all__ = [
    "ENCODERS",
    "Backend",
    "Embeddings",
    "EncoderSpec",
    "KnownEncoder",
    "Plan",
    "TfidfSvd",
    "encode_catalog",
    "encode_items",
    "plan",
]

__getattr__ = lazy_exports(__name__, _HOMES)
