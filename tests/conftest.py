"""Tiny models, built once a session."""

from pathlib import Path

import pytest

from tests import tiny_models


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="session")
def opt_folder(models: Path) -> Path:
    return tiny_models.tiny_opt(models / "tiny-opt")


@pytest.fixture(scope="session")
def bert_folder(models: Path) -> Path:
    return tiny_models.tiny_bert(models / "tiny-bert")


@pytest.fixture(scope="session")
def roberta_folder(models: Path) -> Path:
    return tiny_models.tiny_roberta(models / "tiny-roberta")


@pytest.fixture(scope="session")
def t5_folder(models: Path) -> Path:
    return tiny_models.tiny_t5(models / "tiny-t5")


@pytest.fixture(scope="session")
def bart_folder(models: Path) -> Path:
    return tiny_models.tiny_bart(models / "tiny-bart")


@pytest.fixture(scope="session")
def sentence_folder(models: Path, bert_folder: Path) -> Path:
    return tiny_models.sentence_model(models / "tiny-sentence", bert_folder)


@pytest.fixture(scope="session")
def folders(
    opt_folder: Path,
    bert_folder: Path,
    roberta_folder: Path,
    t5_folder: Path,
    bart_folder: Path,
    sentence_folder: Path,
) -> dict[str, Path]:
    """Every tiny model by kind."""
    return {
        "opt": opt_folder,
        "bert": bert_folder,
        "roberta": roberta_folder,
        "t5": t5_folder,
        "bart": bart_folder,
        "sentence": sentence_folder,
    }


@pytest.fixture(scope="session")
def stacks(models: Path, folders: dict[str, Path]) -> dict[str, Path]:
    """Tiny models of every family that is a stack of blocks."""
    more = ["opt_post_norm", "llama", "gpt_neox", "qwen3", "mistral", "mixtral", "modernbert"]
    built = {kind: getattr(tiny_models, f"tiny_{kind}")(models / f"tiny-{kind}") for kind in more}
    return {**folders, **built}
