"""Texts in, matrix out: language models, word counts and word vectors; and what is done to it."""

from tcf._util import lazy_exports

_HOMES = {
    "ENCODERS": "encoders",
    "L2": "transform",
    "PCA": "transform",
    "ApiEncoder": "backends.api",
    "Backend": "backends.protocol",
    "Embeddings": "embeddings",
    "EncoderSpec": "spec",
    "Finding": "findings",
    "HashedNgrams": "backends.static",
    "KnownEncoder": "encoders",
    "Plan": "planner",
    "RandomProjection": "transform",
    "Reading": "backends.protocol",
    "TfidfSvd": "backends.static",
    "Whitening": "transform",
    "WordVectors": "backends.words",
    "apply_transforms": "transform",
    "diagnose": "doctor",
    "drift": "doctor",
    "encode_catalog": "items",
    "encode_items": "items",
    "plan": "planner",
    "read_vectors": "backends.arrays",
    "vectors_of": "backends.arrays",
}

__all__ = [
    "ENCODERS",
    "L2",
    "PCA",
    "ApiEncoder",
    "Backend",
    "Embeddings",
    "EncoderSpec",
    "Finding",
    "HashedNgrams",
    "KnownEncoder",
    "Plan",
    "RandomProjection",
    "Reading",
    "TfidfSvd",
    "Whitening",
    "WordVectors",
    "apply_transforms",
    "diagnose",
    "drift",
    "encode_catalog",
    "encode_items",
    "plan",
    "read_vectors",
    "vectors_of",
]

__getattr__ = lazy_exports(__name__, _HOMES)
