"""Word vectors from a text file in word2vec or GloVe form; a text is the mean of its words'."""

import gzip
import io
import itertools
import logging
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tcf.encode.backends.files import file_hash
from tcf.encode.backends.static import CHUNK, TOKEN
from tcf.errors import DataError, EncoderError

__all__ = ["WordTable", "WordVectors", "is_word_vector_file", "read_word_vectors"]

_ENDINGS = (".txt", ".vec", ".txt.gz", ".vec.gz")
_log = logging.getLogger(__name__)


def is_word_vector_file(name: str | Path) -> bool:
    """Whether an encoder's name is that of a word-vector text file: by its ending, there or not."""
    return str(name).endswith(_ENDINGS) and not Path(name).expanduser().is_dir()


class WordVectors:
    """The mean of the vectors of a text's words, each counted as often as it occurs.

    Words (and runs of signs) that the file does not hold are left out. A text that holds no word of
    the file gets a vector of zeros, and a warning is logged once a call with how many there are: an
    error would force such items out of the study, and so change the data of every other arm, while
    zeros say what is known of them, and a projector maps them to one vector of its choice. If no
    text at all holds a word of the file, that is an error.

    Args:
        path: Text file, or one compressed with gzip (``.gz``): a word and its numbers a line, with
            spaces between; in word2vec form with a first line of "count dims".
        lowercase: Read texts in lower case. For files whose words are in lower case (GloVe 6B);
            give False for cased ones (GloVe 840B, fastText, word2vec's news vectors).
        memory: Where the file's hash is remembered; None reads the whole file for it each time.

    Raises:
        EncoderError: If there is no such file.

    Source: Pennington et al., GloVe (EMNLP 2014); Mikolov et al., arXiv 1301.3781.
    """

    def __init__(
        self, path: str | Path, *, lowercase: bool = True, memory: Path | None = None
    ) -> None:
        self._path = Path(path).expanduser()
        if not self._path.is_file():
            raise EncoderError(
                f"no word vectors at {self._path.resolve()}; give a text file in word2vec or GloVe "
                "form, as it is or compressed with gzip"
            )
        self._lowercase, self._memory = lowercase, memory
        self._num_numbers: int | None = None

    def identity(self) -> dict[str, Any]:
        """Hash of the file, and how texts are cut into words."""
        return {
            "backend": "word-vectors",
            "weights": {"file": file_hash(self._path, memory=self._memory)},
            "lowercase": self._lowercase,
            "token": TOKEN,
        }

    def encode(
        self, texts: Sequence[str], wanted: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield ``(positions, vectors)`` of the ``wanted`` places in ``texts``, in chunks.

        The file is read once, and only the vectors of words in ``texts`` are kept.

        Raises:
            DataError: If the file is not in one of the two forms.
            EncoderError: If no text holds a word of the file.
        """
        from scipy.sparse import csr_array

        vocabulary, flat, offsets = self._words(texts)
        table = read_word_vectors(self._path, vocabulary)
        self._num_numbers = table.num_numbers
        places = table.places[flat]
        known = places >= 0
        # A row holds its words in the text's order, so that rounding depends on the text alone.
        starts = np.concatenate([[0], np.cumsum(known)])[offsets]
        counts = np.diff(starts)
        self._tell_of_unknown(texts, counts)
        words = (np.ones(int(starts[-1]), np.float32), places[known], starts)
        bags = csr_array(words, shape=(len(texts), len(table.vectors)))
        for start in range(0, len(wanted), CHUNK):
            chosen = wanted[start : start + CHUNK]
            sums = bags[chosen] @ table.vectors
            yield chosen, sums / np.maximum(counts[chosen], 1)[:, None].astype(np.float32)

    def parameters(self) -> dict[str, int]:
        """Every number of the file; all of them are embeddings.

        Raises:
            DataError: If the file is not in one of the two forms.
        """
        if self._num_numbers is None:
            self._num_numbers = read_word_vectors(self._path, {}).num_numbers
        return {"total": self._num_numbers, "without_embeddings": 0}

    def _words(self, texts: Sequence[str]) -> tuple[dict[bytes, int], np.ndarray, np.ndarray]:
        """Return the distinct words, each word's number text after text, and the offsets."""
        find = re.compile(TOKEN).findall
        numbers: dict[str, int] = {}
        offsets = np.zeros(len(texts) + 1, np.int64)

        def walk() -> Iterator[int]:
            for n, text in enumerate(texts):
                words = find(text.lower() if self._lowercase else text)
                offsets[n + 1] = offsets[n] + len(words)
                for word in words:
                    yield numbers.setdefault(word, len(numbers))

        flat = np.fromiter(walk(), np.int64)
        return {word.encode("utf-8"): n for word, n in numbers.items()}, flat, offsets

    def _tell_of_unknown(self, texts: Sequence[str], counts: np.ndarray) -> None:
        unknown = np.flatnonzero(counts == 0)
        if not len(unknown):
            return
        first = texts[unknown[0]][:60]
        if len(unknown) == len(texts):
            raise EncoderError(
                f"{self._path}: none of {len(texts)} texts holds a word of this file, the first of "
                f"them {first!r}; is it of another language, or cased (lowercase=False)?"
            )
        _log.warning(
            "%d of %d texts hold no word of %s and get a vector of zeros, the first of them %r",
            *(len(unknown), len(texts), self._path.name, first),
        )


@dataclass(frozen=True, eq=False)
class WordTable:
    """What was asked of a word-vector file.

    Attributes:
        vectors: ``(n, E)`` float32, the vectors of the words that were asked for and found.
        places: ``(num_words,)`` int64, for each word asked for its row in ``vectors``, or -1.
        num_numbers: Rows times width of the whole file.
    """

    vectors: np.ndarray
    places: np.ndarray
    num_numbers: int


def read_word_vectors(path: Path, words: Mapping[bytes, int]) -> WordTable:
    """Read the vectors of ``words`` from a text file in word2vec or GloVe form.

    Lines end with a line feed only. A word may hold spaces, as some of GloVe 840B do, unless a part
    after the first is a number. Of a word that is there twice the first counts. The numbers of
    words that were not asked for are counted and not read.

    Args:
        path: A first line of two whole numbers, count and width, is word2vec's; else the first line
            is a word's and sets the width. Read through gzip if its name ends in ``.gz``.
        words: UTF-8 of each word -> its number, from 0 without gaps.

    Raises:
        DataError: If a line has the wrong number of fields or, for a word asked for, something that
            is not a finite number; if the first line announces another count; if the file is empty
            or cannot be read.
    """
    places = np.full(len(words), -1, np.int64)
    vectors: list[np.ndarray] = []
    number = 0
    try:
        with _open(path) as file, np.errstate(over="ignore"):  # what overflows is refused below
            lines, announced, width = _begin(path, file)
            header = announced is not None
            for number, line in enumerate(lines, 1 + header):
                line = line.rstrip(b" \r\n")  # word2vec ends its lines with a space
                word, _, numbers = line.partition(b" ")
                if line.count(b" ") != width:
                    word, numbers = _with_spaces(path, number, line, width)
                place = words.get(word)
                if place is not None and places[place] < 0:
                    places[place] = len(vectors)
                    vectors.append(_vector(path, number, numbers))
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}:{number + 1}: cannot be read on ({error})") from error
    num_rows = number - header
    if announced is not None and announced != num_rows:
        raise DataError(
            f"{path}: the first line announces {announced} vectors, but {num_rows} follow; "
            "the file is cut short or was put together by hand"
        )
    found = np.stack(vectors) if vectors else np.empty((0, width), np.float32)
    return WordTable(found, places, num_rows * width)


def _open(path: Path) -> BinaryIO:
    if path.suffix != ".gz":
        return open(path, "rb")
    # Lines out of a buffered reader come several times faster than out of a GzipFile.
    return io.BufferedReader(gzip.open(path, "rb"), 2**20)  # type: ignore[arg-type]


def _begin(path: Path, file: BinaryIO) -> tuple[Iterator[bytes], int | None, int]:
    """Return the lines with vectors, how many the first line announces, if it does, and E."""
    first = file.readline()
    fields = first.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        count, width = map(int, fields)
        lines: Iterator[bytes] = file
    else:
        count, width = None, first.rstrip(b" \r\n").count(b" ")
        lines = itertools.chain([first], file)
    if width < 1:
        raise DataError(
            f"{path}:1: word vectors begin with 'count dims' or with a word and its numbers, "
            f"with spaces between; got {first[:60]!r}"
        )
    return lines, count, width


def _with_spaces(path: Path, number: int, line: bytes, width: int) -> tuple[bytes, bytes]:
    """Return the word and the numbers of a line whose word should hold spaces."""
    word, *numbers = line.rsplit(b" ", width)
    _, *parts = word.split(b" ")
    if len(numbers) != width or any(map(_is_number, parts)):
        raise DataError(
            f"{path}:{number}: a line needs a word and {width} numbers, {width + 1} fields; "
            f"got {line.count(b' ') + 1} fields, the first {line[:40]!r}"
        )
    return word, b" ".join(numbers)


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _vector(path: Path, number: int, numbers: bytes) -> np.ndarray:
    try:
        vector = np.array(list(map(float, numbers.split(b" "))), np.float32)
    except ValueError as error:
        raise DataError(f"{path}:{number}: a word's vector must be numbers; {error}") from None
    if not np.isfinite(vector).all():
        raise DataError(f"{path}:{number}: a word's numbers must be finite in float32")
    return vector
