"""Word-vector files: both forms, what is odd about real ones, and what is refused."""

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest

import tcf
from tcf.encode import WordVectors
from tcf.encode.backends import files, words
from tcf.encode.backends.words import is_word_vector_file, read_word_vectors
from tcf.errors import DataError, EncoderError

ROWS = {
    "red": [1.0, 0.0, 0.5],
    "dress": [0.0, 2.0, -1e-3],
    "Dress": [9.0, 9.0, 9.0],
    ",": [0.25, 0.25, 0.25],
    "été": [3.0, -3.0, 0.0],
}
GLOVE = "".join(f"{word} {' '.join(map(str, row))}\n" for word, row in ROWS.items())
WORD2VEC = "5 3\n" + GLOVE.replace("\n", " \n")  # its makers' program ends lines with a space


def file(folder: Path, content: str | bytes, *, name: str = "vectors.txt") -> Path:
    path = folder / name
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def vectors(path: Path, texts: list[str], **settings: bool) -> np.ndarray:
    backend = WordVectors(path, **settings)
    positions, found = zip(*backend.encode(texts, np.arange(len(texts))), strict=True)
    np.testing.assert_array_equal(np.concatenate(positions), np.arange(len(texts)))
    assert all(part.dtype == np.float32 for part in found)
    return np.concatenate(found)


def mean(*names: str) -> np.ndarray:
    return np.mean([ROWS[name] for name in names], axis=0)


@pytest.mark.parametrize("name", ["v.txt", "v.vec", "v.txt.gz", "v.vec.gz"])
@pytest.mark.parametrize(
    "content",
    [GLOVE, WORD2VEC, GLOVE.replace("\n", "\r\n"), GLOVE.rstrip("\n")],
    ids=["glove", "word2vec", "crlf", "open end"],
)
def test_a_vector_is_the_mean_of_the_words(content: str, name: str, tmp_path: Path) -> None:
    texts = ["Red dress, red", "dress of nobody", "l'ÉTÉ"]
    found = vectors(file(tmp_path, content, name=name), texts)
    expected = [mean("red", "dress", ",", "red"), mean("dress"), mean("été")]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_cased_files_are_read_with_lowercase_false(tmp_path: Path) -> None:
    path = file(tmp_path, GLOVE)
    found = vectors(path, ["Dress", "Red dress"], lowercase=False)
    np.testing.assert_allclose(found, [mean("Dress"), mean("dress")], rtol=1e-6)


def test_only_the_wanted_places_get_a_vector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["red", "dress", "red dress", "dress red red"]
    path = file(tmp_path, GLOVE)
    everything = vectors(path, texts)
    monkeypatch.setattr(words, "CHUNK", 2)
    parts = list(WordVectors(path).encode(texts, np.array([3, 0, 2])))
    assert [positions.tolist() for positions, _ in parts] == [[3, 0], [2]]
    np.testing.assert_array_equal(np.concatenate([v for _, v in parts]), everything[[3, 0, 2]])


def test_a_vector_depends_on_its_own_text_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = [f"w{n} {' '.join(map(str, rng.normal(size=50)))}\n" for n in range(200)]
    path = file(tmp_path, "".join(lines))
    texts = [" ".join(f"w{n}" for n in rng.integers(0, 200, 12)) for _ in range(40)]
    together = vectors(path, texts)
    np.testing.assert_array_equal(vectors(path, texts[::-1])[::-1], together)
    np.testing.assert_array_equal([vectors(path, [text])[0] for text in texts], together)


def test_words_with_spaces_as_in_glove_840b(tmp_path: Path) -> None:
    content = "red 1 2\nat name@domain.com 3 4\n. . . 5 6\nblue 7 8\n"
    path = file(tmp_path, content)
    np.testing.assert_array_equal(vectors(path, ["red", "blue"]), [[1, 2], [7, 8]])
    table = read_word_vectors(path, {b". . .": 0, b"at name@domain.com": 1, b"red": 2, b"no": 3})
    np.testing.assert_array_equal(table.vectors[table.places[:3]], [[5, 6], [3, 4], [1, 2]])
    assert table.places[3] == -1
    assert table.num_numbers == 8


@pytest.mark.parametrize("odd", ["\u2028", "\x85", "\x0b", "\x1e", "\xa0"])
def test_lines_end_with_a_line_feed_and_fields_with_a_space_only(odd: str, tmp_path: Path) -> None:
    path = file(tmp_path, f"red 1 2\na{odd}b 3 4\n{odd} 5 6\nblue 7 8\n")
    np.testing.assert_array_equal(vectors(path, ["blue", "red"]), [[7, 8], [1, 2]])
    assert WordVectors(path).parameters()["total"] == 8


def test_words_that_are_no_utf_8_are_passed_over(tmp_path: Path) -> None:
    path = file(tmp_path, b"\xff\xfe 1 2\nred 3 4\n")
    np.testing.assert_array_equal(vectors(path, ["red"]), [[3, 4]])


def test_of_a_word_that_is_there_twice_the_first_counts(tmp_path: Path) -> None:
    path = file(tmp_path, "3 2\nred 1 2\nred 3 4\nblue 5 6\n")
    np.testing.assert_array_equal(vectors(path, ["red"]), [[1, 2]])


def test_parameters_are_all_numbers_of_the_file_read_or_not(tmp_path: Path) -> None:
    backend = WordVectors(file(tmp_path, WORD2VEC))
    assert backend.parameters() == {"total": 15, "without_embeddings": 0}
    read = WordVectors(file(tmp_path, GLOVE))
    list(read.encode(["red"], np.arange(1)))
    assert read.parameters() == {"total": 15, "without_embeddings": 0}


def test_identity_follows_the_content_and_the_settings(tmp_path: Path) -> None:
    path = file(tmp_path, GLOVE)
    base = WordVectors(path).identity()
    assert WordVectors(file(tmp_path, GLOVE, name="other.vec")).identity() == base
    assert WordVectors(path, lowercase=False).identity() != base
    assert WordVectors(file(tmp_path, GLOVE + "new 1 2 3\n")).identity() != base
    assert str(tmp_path) not in str(base)


def test_the_hash_of_the_file_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_RACY_SECONDS", -1.0)
    backend = WordVectors(file(tmp_path, GLOVE), memory=tmp_path / "hashes")
    digest = backend.identity()["weights"]["file"]
    (note,) = (tmp_path / "hashes").iterdir()
    note.write_text(note.read_text().replace(digest, "known"))
    assert backend.identity()["weights"]["file"] == "known"


def test_a_text_without_a_known_word_is_zeros_and_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    texts = ["red", "xyzzy", "dress", "quux"]
    with caplog.at_level(logging.WARNING, logger="tcf"):
        found = vectors(file(tmp_path, GLOVE), texts)
    np.testing.assert_array_equal(found.any(axis=1), [True, False, True, False])
    assert caplog.messages == [
        "2 of 4 texts hold no word of vectors.txt and get a vector of zeros, "
        "the first of them 'xyzzy'"
    ]


def test_if_no_text_holds_a_known_word_it_is_the_wrong_file(tmp_path: Path) -> None:
    message = r"none of 2 texts holds a word .* first of them 'XYZZY'; is it .*lowercase=False"
    with pytest.raises(EncoderError, match=message):
        vectors(file(tmp_path, GLOVE), ["XYZZY", "quux"])


def test_it_is_an_encoder_with_a_store(tmp_path: Path) -> None:
    texts = ["red dress", "dress", "red dress"]
    path = file(tmp_path, GLOVE)
    found = tcf.encode_items(texts, encoder=WordVectors(path), cache=tmp_path / "cache")
    np.testing.assert_array_equal(found, vectors(path, texts))
    again = tcf.encode_items(texts, encoder=WordVectors(path), cache=tmp_path / "cache")
    np.testing.assert_array_equal(again, found)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(EncoderError, match=r"no word vectors at .*nowhere\.vec; give a text file"):
        WordVectors("nowhere.vec")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r":1: word vectors begin with 'count dims' or .*; got b''"),
        ("red\t1\t2\n", r":1: word vectors begin with .*; got b'red\\t1\\t2\\n'"),
        ("5 0\nred\n", ":1: word vectors begin with"),
        ("red 1 2\nblue 3\n", r":2: a line needs a word and 2 numbers, 3 fields; got 2 fields"),
        ("1 2\nred 1 2 3\n", r":2: a line needs a word and 2 numbers, .* got 4 .*b'red 1 2 3'"),
        ("red 1 2\n\nblue 3 4\n", ":2: a line needs a word and 2 numbers, 3 fields; got 1 fields"),
        ("blue 1 2\nred 3 x\n", r":2: a word's vector must be numbers; .*b'x'"),
        ("red 1 nan\n", ":1: a word's numbers must be finite"),
        ("red 1 1e300\n", ":1: a word's numbers must be finite"),
        ("3 2\nred 1 2\nblue 3 4\n", ": the first line announces 3 vectors, but 2 follow"),
        ("1 2\nred 1 2\nblue 3 4\n", ": the first line announces 1 vectors, but 2 follow"),
    ],
)
def test_what_is_wrong_with_a_file_is_named(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"vectors\.txt" + message):
        vectors(file(tmp_path, content), ["red"])


@pytest.mark.parametrize("damage", ["cut", "flipped", "plain"])
def test_a_damaged_gzip_file_is_named(damage: str, tmp_path: Path) -> None:
    whole = gzip.compress(GLOVE.encode() * 100)
    path = tmp_path / "v.txt.gz"
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
            "plain": GLOVE.encode(),
        }[damage]
    )
    with pytest.raises(DataError, match=r"v\.txt\.gz:\d+"):
        vectors(path, ["red"])


def test_files_are_known_by_their_ending(tmp_path: Path) -> None:
    for name in ["glove.6B.50d.txt", "a/b.vec", Path("c.txt.gz"), "wiki.vec.gz", "~/v.txt"]:
        assert is_word_vector_file(name)
    for name in ["facebook/opt-125m", "folder/model", "vectors.bin", "tfidf-svd", "a.gz"]:
        assert not is_word_vector_file(name)
    folder = tmp_path / "model.txt"
    folder.mkdir()
    assert not is_word_vector_file(folder)
