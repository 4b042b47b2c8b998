"""Texts in, matrix out: any Hugging Face or sentence-transformers model, or TF-IDF + SVD."""

from tcf._util import lazy_exports

_HOMES = {
    "ENCODERS": "spec",
    "ApiEncoder": "backends.api",
    "Backend": "backends.protocol",
    "Embeddings": "embeddings",
    "EncoderSpec": "spec",
    "TfidfSvd": "backends.static",
    "encode_catalog": "items",
    "encode_items": "items",
    "read_vectors": "backends.arrays",
    "vectors_of": "backends.arrays",
}

__all__ = [
    "ENCODERS",
    "ApiEncoder",
    "Backend",
    "Embeddings",
    "EncoderSpec",
    "TfidfSvd",
    "encode_catalog",
    "encode_items",
    "read_vectors",
    "vectors_of",
]

__getattr__ = lazy_exports(__name__, _HOMES)
