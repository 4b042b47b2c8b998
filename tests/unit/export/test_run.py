"""A run's recommender made again from what is kept, and `tcf export`."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tcf.cli import app
from tcf.encode.backends.arrays import read_vectors
from tcf.errors import DataError
from tcf.evaluate.ranking import rank_targets
from tcf.export import rebuild
from tcf.export import run as run_module
from tcf.study import LogUniform, Tuning, read_ledger
from tcf.study.runner import run_study
from tests import tiny_study

STUDY = Path(__file__).parents[2] / "tiny_study.py"
NAMES = [
    f"blocks/{backbone}/{arm}/seed 0" for backbone in ("SASRec", "DSSM") for arm in ("ID", "TF-IDF")
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run_study(
        tiny_study.study(),
        records=folder / "records",
        cache=folder / "cache",
        num_workers=1,
        say=lambda line: None,
    )
    return folder


def again(folder: Path, name: str = NAMES[0], *, planned=None, cache: Path | None = None, **more):
    return rebuild(
        planned or tiny_study.study(),
        name,
        records=folder / "records",
        cache=cache or folder / "cache",
        say=lambda line: None,
        **more,
    )


def export(folder: Path, *arguments: object) -> Result:
    where = ("--records", folder / "records", "--cache", folder / "cache")
    return CliRunner().invoke(app, ["export", str(STUDY), *map(str, (*where, *arguments))])


@pytest.mark.parametrize("name", NAMES)
def test_it_ranks_as_the_run_did_and_trains_nothing(name: str, made: Path, monkeypatch):
    monkeypatch.setattr(run_module, "fit", lambda *_a, **_k: pytest.fail("nothing to train"))
    found = again(made, name)
    assert found.config.name == name
    (path,) = (made / "records").glob(f"*-{found.fingerprint[:12]}.parquet")
    np.testing.assert_array_equal(
        rank_targets(found.model, found.split.test).rank, read_ledger(path).rank
    )


def test_weights_that_are_not_kept_are_asked_for_or_trained_again(made: Path, tmp_path: Path):
    message = "the weights of blocks/SASRec/ID/seed 0 are not kept there: name the cache that"
    with pytest.raises(DataError, match=message):
        again(made, cache=tmp_path)
    trained = again(made, cache=tmp_path, train=True)
    kept = again(made)
    for name, value in trained.model.state_dict().items():
        assert value.equal(kept.model.state_dict()[name]), name
    assert again(made, cache=tmp_path).fingerprint == kept.fingerprint


def test_a_study_may_keep_none(made: Path, tmp_path: Path):
    run_study(
        tiny_study.study(arms=tiny_study.ARMS[:1]),
        records=tmp_path / "records",
        cache=tmp_path / "cache",
        num_workers=1,
        keep_models=False,
        say=lambda line: None,
    )
    assert not (tmp_path / "cache" / "models").exists()


def test_damaged_weights_are_named(made: Path, tmp_path: Path):
    path = tmp_path / "models" / f"{again(made).fingerprint}.safetensors"
    path.parent.mkdir()
    path.write_bytes(b"nothing")
    message = r"\.safetensors: a safetensors file of weights is needed .*: save the model again"
    with pytest.raises(DataError, match=message):
        again(made, cache=tmp_path)
    other = next((made / "cache" / "models").glob("*"))
    dssm = again(made, NAMES[2]).fingerprint
    if other.stem == dssm:
        other = made / "cache" / "models" / f"{again(made).fingerprint}.safetensors"
    (tmp_path / "models" / f"{dssm}.safetensors").write_bytes(other.read_bytes())
    with pytest.raises(DataError, match="weights of this architecture are needed, whose"):
        again(made, NAMES[2], cache=tmp_path)


def test_a_run_that_is_not_there_or_has_no_model(made: Path):
    with pytest.raises(ValueError, match=r"run must be one of .*; got 'blocks/SASRec/ID'; did you"):
        again(made, "blocks/SASRec/ID")
    with pytest.raises(ValueError, match="popularity/seed 0 has no model, and so no vectors: name"):
        again(made, "blocks/popularity/seed 0")
    with pytest.raises(ValueError, match="it must be 'auto' or a folder; got None"):
        rebuild(tiny_study.study(), NAMES[0], records=made, cache=None)


def test_a_tuned_run_has_the_settings_that_its_search_found(tmp_path: Path):
    search = Tuning(space={"train.learning_rate": LogUniform(low=1e-3, high=0.1)}, num_trials=2)
    arms = tiny_study.ARMS[:1]
    planned = replace(tiny_study.study(max_epochs=1, arms=arms), tuning=search)
    with pytest.raises(DataError, match="the search for the settings of blocks/SASRec/ID is not"):
        again(tmp_path, planned=planned)
    run_study(
        planned,
        records=tmp_path / "records",
        cache=tmp_path / "cache",
        num_workers=1,
        say=lambda line: None,
    )
    found = again(tmp_path, planned=planned)
    assert found.config.tuning == search
    assert list((tmp_path / "records").glob(f"*-{found.fingerprint[:12]}.json"))


class TestTheCommand:
    def test_it_writes_vectors_and_an_index(self, made: Path, tmp_path: Path):
        formats = ("--format", "npy", "--format", "parquet")
        out = tmp_path / "out"
        done = export(made, "--run", NAMES[1], "--out", out, *formats, "--index", "flat")
        assert done.exit_code == 0, done.output
        assert "items.faiss: recall@10 1.0000" in done.stdout.replace("\n", "")
        assert sorted(path.name for path in out.iterdir()) == [
            "items.faiss",
            "items.ids.txt",
            "items.json",
            "items.npy",
            "items.parquet",
            "users.ids.txt",
            "users.npy",
            "users.parquet",
        ]
        users = read_vectors(out / "users.npy").vectors
        items = read_vectors(out / "items.npy").vectors
        assert users.shape == items.shape == (60, 8)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--run", NAMES[0], "--format", "h5"), "format must be one of"),
            (
                ("--run", NAMES[0], "--index", "pq"),
                "index must be one of flat, hnsw, ivf; got 'pq'",
            ),
            (("--run", "blocks"), "run must be one of"),
            (("--run", NAMES[0], "--encoder"), "has no tuned encoder to be written"),
        ],
    )
    def test_mistakes_get_one_line(self, arguments, message: str, made: Path, tmp_path: Path):
        done = export(made, "--out", tmp_path / "out", *arguments)
        assert done.exit_code == 1
        (line,) = done.stderr.splitlines()
        assert line.startswith("error: ") and message in line
        assert not (tmp_path / "out").exists()
