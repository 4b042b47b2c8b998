"""Tiny random models with tiny tokenizers, built offline and saved as ordinary folders."""

from pathlib import Path
from typing import Any

WIDTH = 32
BLOCKS = 3

TITLES = [
    "a blue dress",
    "a red car",
    "the quick brown fox jumps over the lazy dog",
    'a "quoted" title # funny # comic',
    "pumpkin armor new outfit",
    "dress",
    "red red red car with a blue dress and a very long name that goes on and on",
    "homemade summer food with chili",
]


def word_tokenizer(folder: Path, *, template: str | None = None, pad: bool = True) -> Any:
    """A word-level fast tokenizer; ``template`` such as ``"[CLS] $A [SEP]"`` closes each text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "</s>"]
    tokenizer = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.train_from_iterator(TITLES, trainers.WordLevelTrainer(special_tokens=special))
    if template:
        ids = [(token, special.index(token)) for token in special]
        tokenizer.post_processor = processors.TemplateProcessing(
            single=template, special_tokens=ids
        )
    names = {"pad_token": "[PAD]"} if pad else {}
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        eos_token="</s>",
        model_max_length=64,
        **names,
    )
    fast.save_pretrained(folder)
    return fast


def _save(model: Any, folder: Path) -> Path:
    model.eval().save_pretrained(folder)
    return folder


def tiny_opt(
    folder: Path, *, seed: int = 0, pad: bool = True, width: int = WIDTH, **settings: Any
) -> Path:
    """A decoder-only model with learned positions and a final norm."""
    import torch
    from transformers import OPTConfig, OPTForCausalLM

    tokenizer = word_tokenizer(folder, template="</s> $A", pad=pad)
    torch.manual_seed(seed)
    config = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        word_embed_proj_dim=settings.pop("word_embed_proj_dim", width),
        ffn_dim=2 * width,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=4,
        eos_token_id=4,
        init_std=0.5,
        **settings,
    )
    return _save(OPTForCausalLM(config), folder)


def tiny_opt_post_norm(folder: Path, *, seed: int = 0) -> Path:
    """OPT-350M's kind: norms after each part, no final norm, and narrower embeddings."""
    return tiny_opt(folder, seed=seed, do_layer_norm_before=False, word_embed_proj_dim=16)


def tiny_bert(folder: Path, *, seed: int = 0) -> Path:
    """An encoder-only model that closes each text with [CLS] and [SEP]."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = word_tokenizer(folder, template="[CLS] $A [SEP]")
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        max_position_embeddings=64,
        initializer_range=0.5,
    )
    return _save(BertModel(config), folder)


def tiny_roberta(folder: Path, *, seed: int = 0) -> Path:
    """An encoder whose positions count from the padding id."""
    import torch
    from transformers import RobertaConfig, RobertaModel

    tokenizer = word_tokenizer(folder, template="[CLS] $A [SEP]")
    torch.manual_seed(seed)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        max_position_embeddings=66,
        pad_token_id=0,
        initializer_range=0.5,
    )
    return _save(RobertaModel(config), folder)


def tiny_t5(folder: Path, *, seed: int = 0) -> Path:
    """A whole encoder-decoder, of which only the encoder half is to be read."""
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = word_tokenizer(folder, template="$A </s>")
    torch.manual_seed(seed)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        d_ff=2 * WIDTH,
        d_kv=8,
        num_heads=4,
        num_layers=BLOCKS,
        pad_token_id=0,
        eos_token_id=4,
        decoder_start_token_id=0,
    )
    return _save(T5ForConditionalGeneration(config), folder)


def tiny_bart(folder: Path, *, seed: int = 0) -> Path:
    """An encoder-decoder that Transformers only loads whole."""
    import torch
    from transformers import BartConfig, BartModel

    tokenizer = word_tokenizer(folder, template="$A </s>")
    torch.manual_seed(seed)
    config = BartConfig(
        vocab_size=len(tokenizer),
        d_model=WIDTH,
        encoder_ffn_dim=2 * WIDTH,
        decoder_ffn_dim=2 * WIDTH,
        encoder_layers=BLOCKS,
        decoder_layers=2,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=4,
        eos_token_id=4,
        decoder_start_token_id=4,
        forced_eos_token_id=None,
        init_std=0.5,
    )
    return _save(BartModel(config), folder)


def _decoder(
    folder: Path, kind: str, *, seed: int = 0, template: str = "</s> $A", **settings: Any
) -> Path:
    """A causal model of one of Transformers' families, built by its names."""
    import torch
    import transformers

    tokenizer = word_tokenizer(folder, template=template)
    torch.manual_seed(seed)
    common: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "intermediate_size": 2 * WIDTH,
        "num_hidden_layers": BLOCKS,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "initializer_range": 0.5,
        "pad_token_id": 0,
        "bos_token_id": 4,
        "eos_token_id": 4,
    }
    config = getattr(transformers, f"{kind}Config")(**{**common, **settings})
    return _save(getattr(transformers, f"{kind}ForCausalLM")(config), folder)


def tiny_llama(folder: Path, *, seed: int = 0, width: int = WIDTH, **settings: Any) -> Path:
    """A decoder-only model with rotary positions, and fewer keys than queries."""
    sizes = {"hidden_size": width, "intermediate_size": 2 * width, "num_key_value_heads": 2}
    return _decoder(folder, "Llama", seed=seed, **sizes, **settings)


def tiny_gpt_neox(folder: Path, *, seed: int = 0) -> Path:
    """Pythia's kind: attention and feed-forward side by side, rotary on a part of each head."""
    return _decoder(folder, "GPTNeoX", seed=seed)


def tiny_qwen3(folder: Path, *, seed: int = 0) -> Path:
    """A decoder-only model that norms its queries and keys, and ties its head."""
    heads = {"num_key_value_heads": 2, "head_dim": 8, "tie_word_embeddings": True}
    return _decoder(folder, "Qwen3", seed=seed, **heads)


def tiny_mistral(folder: Path, *, seed: int = 0) -> Path:
    """A decoder-only model whose blocks see a window of the text."""
    return _decoder(folder, "Mistral", seed=seed, num_key_value_heads=2, sliding_window=4)


def tiny_mixtral(folder: Path, *, seed: int = 0) -> Path:
    """A mixture of experts, whose files hold each expert and whose model holds them stacked."""
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2, "num_key_value_heads": 2}
    return _decoder(folder, "Mixtral", seed=seed, **experts)


def tiny_modernbert(folder: Path, *, seed: int = 0) -> Path:
    """An encoder whose blocks take turns in what they see, with two rotary tables."""
    import torch
    from transformers import ModernBertConfig, ModernBertModel

    tokenizer = word_tokenizer(folder, template="[CLS] $A [SEP]")
    torch.manual_seed(seed)
    config = ModernBertConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        max_position_embeddings=64,
        global_attn_every_n_layers=2,
        local_attention=8,
        initializer_range=0.5,
        initializer_cutoff_factor=2.0,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        bos_token_id=2,
        eos_token_id=3,
        reference_compile=False,
    )
    return _save(ModernBertModel(config), folder)


def tiny_albert(folder: Path, *, seed: int = 0) -> Path:
    """An encoder that runs one block again and again."""
    import torch
    from transformers import AlbertConfig, AlbertModel

    tokenizer = word_tokenizer(folder, template="[CLS] $A [SEP]")
    torch.manual_seed(seed)
    config = AlbertConfig(
        vocab_size=len(tokenizer),
        embedding_size=WIDTH,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        max_position_embeddings=64,
    )
    return _save(AlbertModel(config), folder)


def as_bin_shards(folder: Path, source: Path) -> Path:
    """Copy a model's folder with its weights in two PyTorch files, as older models have them."""
    import json
    import shutil

    import torch
    from safetensors.torch import load_file

    shutil.copytree(source, folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    keys = sorted(weights)
    halves = {
        "pytorch_model-00001-of-00002.bin": keys[::2],
        "pytorch_model-00002-of-00002.bin": keys[1::2],
    }
    for name, chosen in halves.items():
        torch.save({key: weights[key] for key in chosen}, folder / name)
    places = {key: name for name, chosen in halves.items() for key in chosen}
    index = {"metadata": {}, "weight_map": places}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return folder


def as_safetensors_shards(folder: Path, source: Path, *, max_shard_size: str = "20KB") -> Path:
    """Copy a model's folder with its weights in many safetensors files."""
    import shutil

    import transformers
    from transformers import AutoConfig

    shutil.copytree(source, folder)
    config = AutoConfig.from_pretrained(source)
    model = getattr(transformers, config.architectures[0]).from_pretrained(source)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size=max_shard_size)
    return folder


def sentence_model(folder: Path, transformer: Path, *, prompt: str | None = None) -> Path:
    """A sentence-transformers folder: a transformer, mean pooling, a dense layer, unit length."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Dense,
        Normalize,
        Pooling,
        Transformer,
    )

    torch.manual_seed(0)
    parts = [Transformer(str(transformer)), Pooling(WIDTH, "mean"), Dense(WIDTH, 16), Normalize()]
    prompts = {"prompts": {"item": prompt}, "default_prompt_name": "item"} if prompt else {}
    SentenceTransformer(modules=parts, device="cpu", **prompts).save(str(folder))
    return folder
