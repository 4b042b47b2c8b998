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


def tiny_opt(folder: Path, *, seed: int = 0, pad: bool = True) -> Path:
    """A decoder-only model with learned positions and a final norm."""
    import torch
    from transformers import OPTConfig, OPTForCausalLM

    tokenizer = word_tokenizer(folder, template="</s> $A", pad=pad)
    torch.manual_seed(seed)
    config = OPTConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        word_embed_proj_dim=WIDTH,
        ffn_dim=2 * WIDTH,
        num_hidden_layers=BLOCKS,
        num_attention_heads=4,
        max_position_embeddings=64,
        pad_token_id=0,
        bos_token_id=4,
        eos_token_id=4,
        init_std=0.5,
    )
    return _save(OPTForCausalLM(config), folder)


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
