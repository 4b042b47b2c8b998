"""The published ladders as data: how each encoder is read, how large it is, and what builds it.

Counts are those of `tcf.encode.backends.parameters`: what the vectors of the last layer depend on,
so poolers, output heads and T5's decoder are left out. A test builds every entry on the meta device
and counts again, and holds the whole model, head and decoder included, against what its makers say.
An encoder that is not here works by its hub name or folder all the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tcf.encode.spec import EncoderSpec, Pooling

__all__ = ["ENCODERS", "KnownEncoder", "resolve"]


@dataclass(frozen=True)
class KnownEncoder:
    """An encoder with a short name.

    Attributes:
        spec: Hub name, label and prompt: what `resolve` starts from.
        pooling: What ``pooling=None`` amounts to; None where there are no token states to pool.
        config: ``model_type`` and those arguments of its Transformers config that decide its size
            in memory or on disk; the rest (rotary bases, epsilons) is left to the model's own
            ``config.json``. None: no transformer.
        total: Parameters that shape the vectors.
        without_embeddings: The same without token, position and type tables.
        published: Parameters of the whole model as its makers state them, such as ``"6.7B"``.
    """

    spec: EncoderSpec
    pooling: Pooling | None = None
    config: Mapping[str, Any] | None = None
    total: int | None = None
    without_embeddings: int | None = None
    published: str | None = None

    @property
    def width(self) -> int | None:
        """Floats in a vector; None if there is no config."""
        return self._first("word_embed_proj_dim", "hidden_size", "d_model")

    @property
    def depth(self) -> int | None:
        """Number of blocks; None if there is no config."""
        return self._first("num_hidden_layers", "num_layers")

    def _first(self, *names: str) -> int | None:
        return next((self.config[n] for n in names if self.config and n in self.config), None)


def _make(
    name: str,
    label: str,
    config: dict[str, Any],
    total: int,
    without_embeddings: int,
    published: str,
    *,
    pooling: Pooling = "mean",
    **read: Any,
) -> KnownEncoder:
    spec = EncoderSpec(name=name, label=label, **read)
    return KnownEncoder(spec, pooling, config, total, without_embeddings, published)


def _opt(
    size: str, width: int, depth: int, heads: int, *counts: Any, folder: bool = False, **other: Any
) -> KnownEncoder:
    """Zhang et al. (2022), table 1."""
    config = {
        "model_type": "opt",
        "dtype": "float16",  # as published
        "hidden_size": width,
        "word_embed_proj_dim": width,
        "ffn_dim": 4 * width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        **other,
    }
    name = f"./opt-{size}" if folder else f"facebook/opt-{size}"
    return _make(name, f"OPT-{size.upper()}", config, *counts)


def _t5(
    size: str, width: int, inner: int, depth: int, heads: int, *counts: Any, keys: int = 64
) -> KnownEncoder:
    """Raffel et al. (2020)."""
    config = {
        "model_type": "t5",
        "d_model": width,
        "d_ff": inner,
        "d_kv": keys,
        "num_layers": depth,
        "num_heads": heads,
    }
    return _make(f"google-t5/t5-{size}", f"T5-{size}", config, *counts)


def _flan(size: str, width: int, inner: int, depth: int, heads: int, *counts: Any) -> KnownEncoder:
    """Chung et al. (2022), on T5 1.1: gated blocks, and an output head that is a table apart."""
    config = {
        "model_type": "t5",
        "feed_forward_proj": "gated-gelu",
        "tie_word_embeddings": False,
        "d_model": width,
        "d_ff": inner,
        "num_layers": depth,
        "num_heads": heads,
    }
    return _make(f"google/flan-t5-{size}", f"Flan-T5-{size}", config, *counts)


def _pythia(
    size: str, width: int, depth: int, heads: int, *counts: Any, vocab_size: int = 50304
) -> KnownEncoder:
    """Biderman et al. (2023), table 1."""
    config = {
        "model_type": "gpt_neox",
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "vocab_size": vocab_size,
    }
    return _make(f"EleutherAI/pythia-{size}", f"Pythia-{size.upper()}", config, *counts)


def _llama(kind: str, width: int, inner: int, depth: int, heads: int, keys: int) -> dict[str, Any]:
    """Return the config of Llama and of those built alike."""
    return {
        "model_type": kind,
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": depth,
        "num_attention_heads": heads,
        "num_key_value_heads": keys,
    }


def _llama2(
    size: str, width: int, inner: int, depth: int, heads: int, keys: int, *counts: Any
) -> KnownEncoder:
    """Touvron et al. (2023)."""
    config = _llama("llama", width, inner, depth, heads, keys)
    return _make(f"meta-llama/Llama-2-{size}-hf", f"LLaMA-2-{size.upper()}", config, *counts)


def _mistral(label: str, *counts: Any) -> KnownEncoder:
    """Jiang et al. (2023, 2024)."""
    config = _llama(label.split("-")[0].lower(), 4096, 14336, 32, 32, 8)
    return _make(f"mistralai/{label}-v0.1", label, config, *counts)


def _qwen3(
    size: str,
    width: int,
    inner: int,
    depth: int,
    heads: int,
    *counts: Any,
    vocab_size: int = 151936,
    **read: Any,
) -> KnownEncoder:
    """Yang et al. (2025)."""
    config = {
        **_llama("qwen3", width, inner, depth, heads, 8),
        "head_dim": 128,
        "vocab_size": vocab_size,
        "tie_word_embeddings": width <= 2560,  # up to 4B the output head is the token table
    }
    return _make(f"Qwen/Qwen3-{size}", f"Qwen3-{size}", config, *counts, **read)


def _qwen3_embedding(size: str, *shape_and_counts: Any, vocab_size: int) -> KnownEncoder:
    """Zhang et al. (2025); their prompt is for queries, not for items."""
    fixed: dict[str, Any] = {"vocab_size": vocab_size, "pooling": "last_token"}
    return _qwen3(f"Embedding-{size}", *shape_and_counts, **fixed)


def _bert(width: int, depth: int, **other: Any) -> dict[str, Any]:
    """Return the config of BERT (Devlin et al., 2019) and of what was built on it."""
    return {
        "model_type": "bert",
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": depth,
        "num_attention_heads": max(12, width // 64),
        **other,
    }


def _roberta(width: int, depth: int, positions: int = 514) -> dict[str, Any]:
    """Return the config of XLM-R (Conneau et al., 2020)."""
    other = {"vocab_size": 250002, "type_vocab_size": 1, "max_position_embeddings": positions}
    return _bert(width, depth, **other, model_type="xlm-roberta")


def _e5(name: str, config: dict[str, Any], *counts: Any) -> KnownEncoder:
    """Wang et al. (2022, 2024); their cards ask for this prompt where vectors are features."""
    label = name.replace("e5", "E5").replace("multi", "Multi")
    return _make(f"intfloat/{name}", label, config, *counts, prompt="query: {text}")


def _bge(name: str, config: dict[str, Any], *counts: Any) -> KnownEncoder:
    """Xiao et al. (2023), Chen et al. (2024); their prompt is for queries, not for items."""
    return _make(f"BAAI/{name}", name.upper(), config, *counts, pooling="first_token")


def _minilm(size: str, depth: int, *counts: Any) -> KnownEncoder:
    """Wang et al. (2020), Reimers & Gurevych (2019)."""
    hub = f"sentence-transformers/all-MiniLM-{size}-v2"
    return _make(hub, f"MiniLM-{size}", _bert(384, depth), *counts)


ENCODERS: dict[str, KnownEncoder] = {
    "hashed-ngrams": KnownEncoder(EncoderSpec(name="hashed-ngrams", label="Hashed n-grams")),
    "tfidf-svd": KnownEncoder(EncoderSpec(name="tfidf-svd", label="TF-IDF + SVD")),
    "opt-125m": _opt("125m", 768, 12, 12, 125_239_296, 85_056_000, "125M"),
    # Rounded to 350M in the paper; post-norm, behind a projection of the tokens.
    "opt-350m": _opt(
        "350m",
        1024,
        24,
        16,
        331_196_416,
        303_357_952,
        "331M",
        word_embed_proj_dim=512,
        do_layer_norm_before=False,
    ),
    "opt-1.3b": _opt("1.3b", 2048, 24, 32, 1_315_758_080, 1_208_602_624, "1.3B"),
    "opt-2.7b": _opt("2.7b", 2560, 32, 32, 2_651_596_800, 2_517_652_480, "2.7B"),
    "opt-6.7b": _opt("6.7b", 4096, 32, 32, 6_658_473_984, 6_444_163_072, "6.7B"),
    "opt-13b": _opt("13b", 5120, 40, 40, 12_853_473_280, 12_585_584_640, "13B"),
    "opt-30b": _opt("30b", 7168, 48, 56, 29_974_540_288, 29_599_496_192, "30B"),
    "opt-66b": _opt("66b", 9216, 64, 72, 65_719_701_504, 65_237_501_952, "66B"),
    # Given out on request only: a local folder that you must have.
    "opt-175b": _opt("175b", 12288, 96, 96, 174_604_468_224, 173_961_535_488, "175B", folder=True),
    "bert-base": _make(
        "google-bert/bert-base-uncased",
        "BERT-base",
        _bert(768, 12),
        108_891_648,
        85_056_000,
        "110M",
    ),
    "bert-large": _make(
        "google-bert/bert-large-uncased",
        "BERT-large",
        _bert(1024, 24),
        334_092_288,
        302_311_424,
        "340M",
    ),
    "t5-small": _t5("small", 512, 2048, 6, 8, 35_330_816, 18_881_280, "60M"),
    "t5-base": _t5("base", 768, 3072, 12, 12, 109_628_544, 84_954_240, "220M"),
    # Rounded to 770M in the paper.
    "t5-large": _t5("large", 1024, 4096, 24, 16, 334_939_648, 302_040_576, "738M"),
    "t5-3b": _t5("3b", 1024, 16384, 24, 32, 1_240_909_824, 1_208_010_752, "3B", keys=128),
    "t5-11b": _t5("11b", 1024, 65536, 24, 128, 4_864_791_552, 4_831_892_480, "11B", keys=128),
    "flan-t5-small": _flan("small", 512, 1024, 8, 6, 35_332_800, 18_883_264, "80M"),
    "flan-t5-base": _flan("base", 768, 2048, 12, 12, 109_628_544, 84_954_240, "250M"),
    "flan-t5-large": _flan("large", 1024, 2816, 24, 16, 341_231_104, 308_332_032, "780M"),
    "flan-t5-xl": _flan("xl", 2048, 5120, 24, 32, 1_223_527_424, 1_157_729_280, "3B"),
    "flan-t5-xxl": _flan("xxl", 4096, 10240, 24, 64, 4_762_310_656, 4_630_714_368, "11B"),
    "llama-2-7b": _llama2("7b", 4096, 11008, 32, 32, 32, 6_607_343_616, 6_476_271_616, "7B"),
    "llama-2-13b": _llama2("13b", 5120, 13824, 40, 40, 40, 12_852_024_320, 12_688_184_320, "13B"),
    "llama-2-70b": _llama2("70b", 8192, 28672, 80, 64, 8, 68_714_504_192, 68_452_360_192, "70B"),
    "mistral-7b": _mistral("Mistral-7B", 7_110_660_096, 6_979_588_096, "7B"),
    "mixtral-8x7b": _mistral("Mixtral-8x7B", 46_571_720_704, 46_440_648_704, "46.7B"),
    "pythia-70m": _pythia("70m", 512, 6, 8, 44_670_976, 18_915_328, "70,426,624"),
    "pythia-160m": _pythia("160m", 768, 12, 12, 123_689_472, 85_056_000, "162,322,944"),
    "pythia-410m": _pythia("410m", 1024, 24, 16, 353_822_720, 302_311_424, "405,334,016"),
    "pythia-1b": _pythia("1b", 2048, 16, 8, 908_759_040, 805_736_448, "1,011,781,632"),
    "pythia-1.4b": _pythia("1.4b", 2048, 24, 16, 1_311_625_216, 1_208_602_624, "1,414,647,808"),
    "pythia-2.8b": _pythia("2.8b", 2560, 32, 32, 2_646_430_720, 2_517_652_480, "2,775,208,960"),
    "pythia-6.9b": _pythia(
        "6.9b", 4096, 32, 32, 6_650_732_544, 6_444_163_072, "6,857,302,016", vocab_size=50432
    ),
    "pythia-12b": _pythia(
        "12b", 5120, 36, 40, 11_586_549_760, 11_327_027_200, "11,846,072,320", vocab_size=50688
    ),
    "qwen3-0.6b": _qwen3("0.6B", 1024, 3072, 28, 16, 596_049_920, 440_467_456, "0.6B"),
    "qwen3-1.7b": _qwen3("1.7B", 2048, 6144, 28, 16, 1_720_574_976, 1_409_410_048, "1.7B"),
    "qwen3-4b": _qwen3("4B", 2560, 9728, 36, 32, 4_022_468_096, 3_633_511_936, "4.0B"),
    "qwen3-8b": _qwen3("8B", 4096, 12288, 36, 32, 7_568_405_504, 6_946_075_648, "8.2B"),
    "qwen3-14b": _qwen3("14B", 5120, 17408, 40, 40, 13_990_394_880, 13_212_482_560, "14.8B"),
    "qwen3-32b": _qwen3("32B", 5120, 25600, 64, 64, 31_984_210_944, 31_206_298_624, "32.8B"),
    "qwen3-embedding-0.6b": _qwen3_embedding(
        "0.6B", 1024, 3072, 28, 16, 595_776_512, 440_467_456, "0.6B", vocab_size=151669
    ),
    "qwen3-embedding-4b": _qwen3_embedding(
        "4B", 2560, 9728, 36, 32, 4_021_774_336, 3_633_511_936, "4B", vocab_size=151665
    ),
    "qwen3-embedding-8b": _qwen3_embedding(
        "8B", 4096, 12288, 36, 32, 7_567_295_488, 6_946_075_648, "8B", vocab_size=151665
    ),
    "e5-small": _e5("e5-small-v2", _bert(384, 12), 33_212_160, 21_294_336, "33M"),
    "e5-base": _e5("e5-base-v2", _bert(768, 12), 108_891_648, 85_056_000, "109M"),
    "e5-large": _e5("e5-large-v2", _bert(1024, 24), 334_092_288, 302_311_424, "335M"),
    "multilingual-e5-small": _e5(
        "multilingual-e5-small", _bert(384, 12, vocab_size=250037), 117_505_920, 21_294_336, "118M"
    ),
    "multilingual-e5-base": _e5(
        "multilingual-e5-base", _roberta(768, 12), 277_453_056, 85_056_000, "278M"
    ),
    "multilingual-e5-large": _e5(
        "multilingual-e5-large", _roberta(1024, 24), 558_840_832, 302_311_424, "560M"
    ),
    "bge-small": _bge("bge-small-en-v1.5", _bert(384, 12), 33_212_160, 21_294_336, "33M"),
    "bge-base": _bge("bge-base-en-v1.5", _bert(768, 12), 108_891_648, 85_056_000, "109M"),
    "bge-large": _bge("bge-large-en-v1.5", _bert(1024, 24), 334_092_288, 302_311_424, "335M"),
    "bge-m3": _bge("bge-m3", _roberta(1024, 24, 8194), 566_705_152, 302_311_424, "568M"),
    "minilm-l6": _minilm("L6", 6, 22_565_376, 10_647_552, "22.7M"),
    "minilm-l12": _minilm("L12", 12, 33_212_160, 21_294_336, "33.4M"),
}


def resolve(encoder: str | Path | EncoderSpec, **settings: Any) -> EncoderSpec:
    """Return the spec of ``encoder`` with ``settings`` applied.

    Args:
        encoder: Short name in `ENCODERS`, hub name, folder, or a spec.
        **settings: Fields of `EncoderSpec`. One left at its default changes nothing.

    Raises:
        ValueError: If a setting has no meaning, or contradicts one that the spec states.
    """
    if isinstance(encoder, EncoderSpec):
        base = encoder
    else:
        known = ENCODERS.get(str(encoder))
        base = known.spec if known else EncoderSpec(name=str(encoder))
    stated = {**base.model_dump(exclude_unset=True)}
    for key, value in settings.items():
        if value == EncoderSpec.model_fields[key].default:
            continue
        if isinstance(encoder, EncoderSpec) and key in stated and stated[key] != value:
            raise ValueError(
                f"{key}={value!r} contradicts {key}={stated[key]!r} of the EncoderSpec; "
                "give it once"
            )
        stated[key] = value
    try:
        return EncoderSpec(**stated)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ValueError(f"{where}: {first['msg']}; got {first['input']!r}") from None
