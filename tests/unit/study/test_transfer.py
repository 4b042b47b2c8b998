"""Transfers: what starts from what, what is carried, what is recorded, and what is refused."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tcf.data.catalog import Catalog
from tcf.data.sources import join_datasets, train_share
from tcf.encode import PCA, HashedNgrams, Shuffle, Whitening, apply_transforms, encode_catalog
from tcf.errors import DataError, EncoderError
from tcf.evaluate.ranking import rank_targets
from tcf.export.run import rebuild
from tcf.model.chance import Chance
from tcf.study import one_run
from tcf.study.arms import Arm
from tcf.study.backbones import DSSMConfig, SASRecConfig
from tcf.study.build import build
from tcf.study.cells import find_cell, read_cells
from tcf.study.config import RunConfig, Study, fingerprint
from tcf.study.opened import load_split, open_study
from tcf.study.records import read_ledger, read_record
from tcf.study.runner import Outcome, run_study
from tcf.study.space import Tuning, Uniform
from tcf.study.transfers import factors, transfer_table
from tests.halves import TEXT, TRAIN, as_same_people, half, study

ZERO = TEXT.transferred("A", share=0)
SOME = TEXT.transferred("A", share=0.1)
FULL = TEXT.transferred("A")
BACKBONE = TEXT.transferred("A", carry="backbone")
CHANCE = Arm(name="chance", kind="chance")
ARMS = (TEXT, ZERO, SOME, FULL, BACKBONE, TEXT.with_share(0.1), CHANCE)


def run(planned: Study, folder: Path, **settings: Any) -> Outcome:
    settings = {"num_workers": 1, "say": lambda _line: None, **settings}
    return run_study(planned, records=folder / "records", cache=folder / "cache", **settings)


def records(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found = map(read_record, sorted((folder / "records").glob("*.json")))
    return {(one["config"]["dataset"], one["config"]["arm"]["name"]): one for one in found}


def ledgers(folder: Path) -> dict[str, bytes]:
    paths = (folder / "records").glob("*.parquet")
    return {path.name: path.read_bytes() for path in paths}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("transfer")
    assert run(study(ARMS), folder) == Outcome(num_found=0, num_made=7, num_elsewhere=0)
    return folder


class TestArms:
    def test_names_say_what_is_carried_from_where_and_to_whom(self):
        assert ZERO.name == "text from A, zero-shot"
        assert SOME.name == "text from A, 10% of users"
        assert BACKBONE.name == "text from A, backbone, 100% of users"
        assert TEXT.transferred("A", "C").name == "text from A + C, 100% of users"
        assert TEXT.with_share(0.01).name == "text, 1% of users"

    def test_they_come_back_from_their_json_and_older_arms_are_told_as_before(self):
        config = RunConfig(dataset="B", arm=SOME, backbone=SASRecConfig())
        dumped = json.loads(json.dumps(config.model_dump(mode="json")))
        assert dumped["arm"]["transfer"] == {"arm": "text", "sources": ["A"], "carry": "all"}
        assert RunConfig(**dumped) == config
        assert not {"transfer", "share"} & TEXT.model_dump(mode="json").keys()

    def test_the_source_is_part_of_the_fingerprint(self):
        config = RunConfig(dataset="B", arm=FULL, backbone=SASRecConfig())
        plain, one, other = (
            fingerprint(config, split="s", vectors="v", source=source)
            for source in (None, "x", "y")
        )
        assert len({plain, one, other}) == 3

    @pytest.mark.parametrize(
        ("arm", "message"),
        [
            (Arm(name="ID", kind="id"), "learns item IDs, which cannot transfer: the items of"),
            (
                Arm(name="both", kind="static", encoder="hashed-ngrams", with_ids="sum"),
                "'both from A, 100% of users' learns item IDs, which cannot transfer",
            ),
            (Arm(name="popular", kind="popularity"), "learns nothing that could transfer"),
        ],
    )
    def test_what_learns_nothing_of_texts_is_refused(self, arm: Arm, message: str):
        with pytest.raises(ValidationError, match=message):
            arm.transferred("A")

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"share": 0, "carry": "backbone"}, "with a projector that nobody trained"),
            ({"share": 1.5}, "share"),
            ({"same_users": True, "sources": ("A", "C")}, "same_users is for one source"),
            ({"sources": ("A", "A")}, r"different data sets; got \['A', 'A'\]"),
            ({"sources": ()}, "at least 1 item"),
        ],
    )
    def test_settings_that_contradict_each_other_are_refused(self, settings: dict, message: str):
        sources = settings.pop("sources", ("A",))
        with pytest.raises(ValidationError, match=message):
            TEXT.transferred(*sources, **settings)

    def test_a_share_needs_a_training_and_somebody(self):
        with pytest.raises(ValidationError, match="is not trained, so it takes no share"):
            Arm(name="popular", kind="popularity", share=0.1)
        with pytest.raises(ValidationError, match="must learn from somebody; got share=0"):
            TEXT.with_share(0)

    def test_a_source_that_is_the_target_is_refused(self):
        with pytest.raises(ValidationError, match="source and target must be different data sets"):
            RunConfig(dataset="A", arm=FULL, backbone=SASRecConfig())


class TestRuns:
    def test_the_source_has_a_record_of_its_own_that_the_others_name(self, made: Path):
        found = records(made)
        source = found["A", "text"]
        assert "source" not in source and source["history"]["best_epoch"] >= 1
        split = load_split(replace(study([TEXT]), load=partial(half, 0)), None)[0]
        assert source["data"]["checksum"] == split.checksum
        for arm in (ZERO, SOME, FULL, BACKBONE):
            assert found["B", arm.name]["source"] == {
                "run": "A/SASRec/text/seed 0",
                "fingerprint": source["fingerprint"],
                "checksum": split.checksum,
            }
        assert len(found) == 8 and "source" not in found["B", "text"]

    def test_records_say_whom_a_share_learned_from(self, made: Path):
        found = records(made)
        assert found["B", ZERO.name]["learned_from"] == {"users": 0, "interactions": 0}
        assert found["B", ZERO.name]["history"] is None
        few = found["B", SOME.name]["learned_from"]
        assert few == found["B", "text, 10% of users"]["learned_from"]
        assert 15 <= few["users"] <= 25 and few["interactions"] > 5 * few["users"]
        assert "learned_from" not in found["B", FULL.name]

    def test_zero_shot_ranks_with_the_weights_of_the_source(self, made: Path):
        opened = open_study(study(ARMS), None, cache=made / "cache")
        config = next(one for one in opened.study.runs if one.arm == ZERO)
        start = opened.start(config)
        assert start is not None
        model = build(config, opened.split, opened.vectors[ZERO.name])
        model.load_weights(made / "cache" / "models" / f"{start.key}.safetensors")
        ledger = rank_targets(model, opened.split.test)
        cell = find_cell(read_cells(made / "records"), ZERO.name)
        assert np.array_equal(ledger.rank, cell.ledgers[0].rank)

    def test_text_carries_over_to_items_and_users_never_seen(self, made: Path):
        cells = read_cells(made / "records")
        table = factors(cells, metrics=["hr@10"])
        row = table.filter(dataset="B", arm=ZERO.name).row(0, named=True)
        assert row["low"] > 1 and row["against"] == "chance"
        assert row["factor"] == pytest.approx(row["value"] / row["against_value"])
        split = load_split(study([TEXT]), None)[0]
        expected = rank_targets(Chance(split), split.test)
        assert np.array_equal(find_cell(cells, "chance").ledgers[0].ties, expected.ties)

    def test_the_matrix_has_the_target_itself_on_its_diagonal(self, made: Path):
        table = transfer_table(read_cells(made / "records"))
        told = {(r["source"], r["target"], r["carry"], r["share"]) for r in table.rows(named=True)}
        assert told == {
            ("A", "A", None, 1.0),
            ("B", "B", None, 1.0),
            ("B", "B", None, 0.1),
            ("A", "B", "all", 0.0),
            ("A", "B", "all", 0.1),
            ("A", "B", "all", 1.0),
            ("A", "B", "backbone", 1.0),
        }

    def test_all_is_found_again_and_nothing_trained(
        self, made: Path, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(
            one_run, "fit", lambda *_a, **_k: pytest.fail("nothing is to be trained")
        )
        assert run(study(ARMS), made) == Outcome(num_found=7, num_made=0, num_elsewhere=0)
        own = replace(study([TEXT]), load=partial(half, 0), sources={})
        runs = tuple(one.model_copy(update={"dataset": "A"}) for one in own.runs)
        assert run(replace(own, runs=runs), made) == Outcome(1, 0, 0)

    def test_workers_make_the_same_bytes(self, made: Path, tmp_path: Path):
        few = study((TEXT, ZERO, FULL))
        assert run(few, tmp_path, num_workers=2).num_made == 3
        whole = ledgers(made)
        assert {name: whole[name] for name in ledgers(tmp_path)} == ledgers(tmp_path)

    def test_left_after_the_source_it_goes_on_from_there(
        self, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        original, done = one_run.fit, []

        def once(*arguments, **settings):
            if done:
                raise KeyboardInterrupt
            done.append(original(*arguments, **settings))
            return done[0]

        with monkeypatch.context() as context:
            context.setattr(one_run, "fit", once)
            with pytest.raises(KeyboardInterrupt):
                run(study((TEXT, FULL)), tmp_path)
        assert list(records(tmp_path)) == [("A", "text")]
        assert run(study((TEXT, FULL)), tmp_path) == Outcome(0, 2, 0)
        whole = ledgers(made)
        assert {name: whole[name] for name in ledgers(tmp_path)} == ledgers(tmp_path)

    def test_weights_that_are_gone_are_made_again_and_the_record_stays(
        self, made: Path, tmp_path: Path
    ):
        planned = study((TEXT, FULL))
        run(planned, tmp_path, keep_models=False)
        source = records(tmp_path)["A", "text"]
        (weights,) = (tmp_path / "cache" / "models").iterdir()  # kept, whatever keep_models says
        (path,) = (tmp_path / "records").glob("a-sasrec-text-*.json")
        (full,) = (tmp_path / "records").glob("b-sasrec-text-from-a-*.json")
        before, ledger = path.stat().st_mtime_ns, full.with_suffix(".parquet").read_bytes()
        weights.unlink()
        full.unlink()
        assert run(planned, tmp_path).num_made == 1
        assert path.stat().st_mtime_ns == before and weights.exists()
        assert full.with_suffix(".parquet").read_bytes() == ledger
        assert records(tmp_path)["B", FULL.name]["source"]["fingerprint"] == source["fingerprint"]

    def test_a_transferred_run_is_rebuilt_from_its_weights(self, made: Path):
        name = f"B/SASRec/{FULL.name}/seed 0"
        found = rebuild(study(ARMS), name, records=made / "records", cache=made / "cache")
        ledger = rank_targets(found.model, found.split.test)
        path = next((made / "records").glob(f"*-{found.fingerprint[:12]}.parquet"))
        assert np.array_equal(ledger.rank, read_ledger(path).rank)

    def test_a_transferred_run_without_weights_is_not_trained_alone(self, tmp_path: Path):
        name = f"B/SASRec/{FULL.name}/seed 0"
        with pytest.raises(DataError, match="or run the study again without its record"):
            rebuild(study(ARMS), name, records=tmp_path, cache=tmp_path / "cache", train=True)


def test_several_sources_are_one_training_set_with_ids_kept_apart(tmp_path: Path):
    sources = {"A": partial(half, 0), "C": partial(half, 0)}  # every id is in both
    arm = TEXT.transferred("A", "C", share=0)
    assert run(study((TEXT, arm), sources=sources), tmp_path).num_made == 2
    source = records(tmp_path)["A + C", "text"]
    assert source["data"]["users_after"] == 2 * half(0, None)[1].num_users
    with pytest.raises(DataError, match="item ids that are distinct"):
        join_datasets({name: load(None) for name, load in sources.items()}, prefixed=False)


def test_transforms_are_fitted_on_the_source_for_both(tmp_path: Path):
    white = Arm(
        name="white", kind="static", encoder="hashed-ngrams", transforms=(Whitening(dims=8),)
    )
    arm = white.transferred("A")
    opened = open_study(study((white, arm)), None, cache=tmp_path)
    source = opened.sources[("A",)]
    assert opened.vectors[arm.name].key == source.vectors["white"].key
    assert opened.vectors["white"].key != source.vectors["white"].key
    joint = join_datasets({"A": half(0, None), "B": half(1, None)}, prefixed=True)[0]
    trained = np.unique(source.split.train.rows) - 1
    fit_on = [f"A/{source.split.catalog.item_ids[row]}" for row in trained]
    plain = encode_catalog(joint, encoder="hashed-ngrams")
    expected = apply_transforms(plain, white.transforms, fit_on=fit_on)
    place = {item_id: n for n, item_id in enumerate(expected.item_ids)}
    found: Any = opened.vectors[arm.name]
    rows = [place[f"B/{item_id}"] for item_id in found.item_ids]
    np.testing.assert_allclose(found.vectors, expected.vectors[rows], rtol=1e-4, atol=1e-5)


class TestUsers:
    """DSSM knows users by their IDs."""

    def planned(self, *arms: Arm, same: bool = True) -> Study:
        load = as_same_people if same else partial(half, 1)
        return study(arms, load=load, backbones=[(DSSMConfig(), TRAIN)])

    def test_its_user_tower_cannot_transfer(self, tmp_path: Path):
        with pytest.raises(ValueError, match="user tower of DSSM is a table of user IDs, which ca"):
            open_study(self.planned(TEXT, FULL), None, cache=tmp_path)

    def test_it_transfers_where_users_are_the_same_people(self, tmp_path: Path):
        zero = TEXT.transferred("A", share=0, same_users=True)
        full = TEXT.transferred("A", same_users=True)
        assert run(self.planned(TEXT, zero, full, CHANCE), tmp_path).num_made == 4
        told = records(tmp_path)["B", zero.name]["source"]
        assert told["users_known"] == as_same_people(None)[1].num_users

    def test_users_whom_neither_side_taught_are_refused(self, tmp_path: Path):
        zero = TEXT.transferred("A", share=0, same_users=True)
        with pytest.raises(ValueError, match=r"DSSM knows a user by .*; share=0 leaves out \d+ of"):
            open_study(self.planned(TEXT, zero, same=False), None, cache=tmp_path)
        with pytest.raises(ValueError, match=r"share=0\.1 leaves out"):
            open_study(self.planned(TEXT.with_share(0.1)), None, cache=tmp_path)

    def test_no_overlap_is_an_error_of_the_run(self, tmp_path: Path):
        full = TEXT.transferred("A", same_users=True)
        with pytest.raises(RuntimeError, match="users must overlap"):
            run(self.planned(TEXT, full, same=False), tmp_path)


class TestBadInput:
    def test_an_encoder_whose_vectors_one_data_set_lacks(self, tmp_path: Path):
        target, source = half(1, None)[0], half(0, None)[0]
        path = tmp_path / "vectors.safetensors"
        encode_catalog(target, encoder="hashed-ngrams").save(path)
        arm = Arm(name="ready", kind="static", encoder="ready")
        planned = study(
            (arm, arm.transferred("A")), encoders=lambda _names, _catalog, _cache: {"ready": path}
        )
        message = (
            f"transfers from A; a transfer needs .*vectors.safetensors.* of {source.num_items}"
        )
        with pytest.raises(DataError, match=message):
            open_study(planned, None, cache=tmp_path)
        encode_catalog(source, encoder="hashed-ngrams").save(path)
        with pytest.raises(DataError, match="transfers to its own items; a transfer needs"):
            open_study(planned, None, cache=tmp_path)

    def test_vectors_of_different_encoders(self, tmp_path: Path):
        ours = half(1, None)[0]

        def encoders(_names, catalog: Catalog, _cache) -> dict[str, HashedNgrams]:
            return {"mine": HashedNgrams(dims=16 if catalog.item_ids == ours.item_ids else 8)}

        arm = Arm(name="mine", kind="static", encoder="mine")
        planned = study((arm, arm.transferred("A")), encoders=encoders)
        with pytest.raises(EncoderError, match="must come from one encoder with the same settings"):
            open_study(planned, None, cache=tmp_path)

    @pytest.mark.parametrize(
        "arm",
        [
            Arm(name="TF-IDF", kind="static", encoder="tfidf-svd"),
            Arm(name="x", kind="static", encoder="hashed-ngrams", transforms=(Shuffle(),)),
        ],
    )
    def test_what_is_fitted_to_each_catalogue(self, tmp_path: Path, arm: Arm):
        with pytest.raises(EncoderError, match=r"What is fitted to each catalogue \(TF-IDF, shuff"):
            open_study(study((arm, arm.transferred("A"))), None, cache=tmp_path)

    def test_a_width_that_is_the_studys_own(self, tmp_path: Path):
        arm = Arm(
            name="x",
            kind="static",
            encoder="hashed-ngrams",
            transforms=(PCA(dims="smallest"),),
        )
        with pytest.raises(ValueError, match="dims as a number"):
            open_study(study((arm, arm.transferred("A"))), None, cache=tmp_path)

    def test_a_source_that_the_study_does_not_name(self, tmp_path: Path):
        with pytest.raises(ValueError, match="source"):
            open_study(study((TEXT, TEXT.transferred("C"))), None, cache=tmp_path)

    def test_an_arm_to_start_from_that_is_not_there(self, tmp_path: Path):
        with pytest.raises(ValueError, match="must be among the runs of study 'halves' under"):
            open_study(study((FULL,)), None, cache=tmp_path)

    def test_an_arm_to_start_from_that_differs(self, tmp_path: Path):
        other = TEXT.model_copy(update={"max_tokens": 7})
        with pytest.raises(ValueError, match=r"differ in transfer and share alone; .* max_tokens"):
            open_study(study((other, FULL)), None, cache=tmp_path)

    def test_an_arm_to_start_from_that_has_a_start_of_its_own(self, tmp_path: Path):
        few = TEXT.with_share(0.5)
        with pytest.raises(ValueError, match="must start from one that is trained from scratch"):
            open_study(study((few, few.transferred("A"))), None, cache=tmp_path)

    def test_a_search_for_settings(self, tmp_path: Path):
        tuning = Tuning(space={"projector.dropout": Uniform(low=0, high=0.5)}, num_trials=1)
        with pytest.raises(ValueError, match="leave out tuning"):
            open_study(study((TEXT, FULL), tuning=tuning), None, cache=tmp_path)

    def test_a_target_of_one_user(self, tmp_path: Path):
        catalog, taken = half(1, None)
        planned = study((TEXT, FULL), load=lambda _data: (catalog, taken.take(np.arange(1))))
        with pytest.raises(
            ValueError, match=r"an interval over one does not exist; .* have 1: take"
        ):
            open_study(planned, None, cache=tmp_path)

    def test_factors_against_nobody(self, made: Path):
        with pytest.raises(ValueError, match="against must be an arm of these records"):
            factors(read_cells(made / "records"), against="nobody")


def test_a_share_of_the_runs_seed_is_what_is_trained_on(made: Path):
    split = load_split(study([TEXT]), None)[0]
    part = train_share(split, share=0.1, seed=0)
    told = records(made)["B", SOME.name]["learned_from"]
    assert told["interactions"] == part.train.num_interactions
