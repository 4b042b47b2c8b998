"""One pass over a call's texts that serves every reading asked for, through the store."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tcf._util import atomic_write
from tcf.data.location import cache_folder
from tcf.encode.backends.hf import HfBackend
from tcf.encode.backends.protocol import Backend, Reading
from tcf.encode.backends.resolve import make_backends, own_backend
from tcf.encode.backends.tokens import TokenlessTextError
from tcf.encode.encoders import resolve
from tcf.encode.progress import LazyBar
from tcf.encode.ranks import shares
from tcf.encode.spec import EncoderSpec
from tcf.encode.store import FORMAT_VERSION, VectorStore, Writer
from tcf.encode.texts import as_texts, distinct
from tcf.errors import EncoderError

__all__ = ["Harvest", "Where"]


@dataclass(frozen=True)
class Where:
    """Where an encoder runs and what it keeps; no part of any key. Fields as in `encode_items`."""

    placement: str = "auto"
    device: str | None = None
    batch_tokens: int | Literal["auto"] = "auto"
    cache: str | PathLike[str] | None = None
    progress: bool = True

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the fields."""
        return [field.name for field in fields(cls)]


@dataclass(eq=False)
class _Output:
    """One reading: its backend and store, and which texts are its own."""

    spec: EncoderSpec
    backend: Backend
    cache: Path | None
    place: np.ndarray  # (num_given,) of each text given, with this prompt, among the distinct ones

    @cached_property
    def ingredients(self) -> dict[str, Any]:
        """What the key is hashed from; asked for only where it is needed: it reads all weights."""
        return {
            "format_version": FORMAT_VERSION,
            "encoder": self.backend.identity(),
            "prompt": self.spec.prompt,
            "normalize": self.spec.normalize,
        }

    @cached_property
    def store(self) -> VectorStore | None:
        """Where the vectors are kept."""
        return None if self.cache is None else VectorStore(self.cache, self.ingredients)


class Harvest:
    """The readings of one call.

    Args:
        texts: As `encode_items` takes them.
        encoder: As `encode_items` takes it.
        readings: What to make; with an own object as encoder, only the prompts may differ.
        settings: Fields of `EncoderSpec` that all readings share.
        where: Where to run.

    Raises:
        As `encode_items`.
    """

    def __init__(
        self,
        texts: Any,
        encoder: Any,
        readings: Sequence[Reading],
        settings: dict[str, Any],
        where: Where,
    ) -> None:
        plain = as_texts(texts)
        self.readings = list(readings)
        self._cache, self._progress = cache_folder(where.cache), where.progress
        specs = [_spec(encoder, {**settings, **reading._asdict()}) for reading in readings]
        prompts = list(dict.fromkeys(spec.prompt for spec in specs))
        final = {prompt: _with_prompt(plain, prompt) for prompt in prompts}
        given = plain if prompts == ["{text}"] else [t for p in prompts for t in final[p]]
        self._hashes, first, inverse = distinct(given)
        self._texts = given if len(first) == len(given) else [given[n] for n in first]
        places = dict(zip(prompts, inverse.reshape(len(prompts), -1), strict=True))
        self._named = isinstance(encoder, str | Path | EncoderSpec)
        if self._named:
            backends = make_backends(
                specs,
                [final[spec.prompt] for spec in specs],
                placement=where.placement,
                device=where.device,
                batch_tokens=where.batch_tokens,
                cache=self._cache,
                progress=where.progress,
            )
        else:
            backends = [encoder] * len(specs)
        self._outputs = {
            reading: _Output(spec, backend, self._cache, places[spec.prompt])
            for reading, spec, backend in zip(readings, specs, backends, strict=True)
        }

    def vectors(self, *, out: str | PathLike[str] | None = None) -> dict[Reading, np.ndarray]:
        """Return the ``(num_texts, E)`` float32 vectors of each reading, found or made."""
        if out is not None and len(self.readings) > 1:
            raise ValueError(
                f"out takes the vectors of one reading; got {len(self.readings)}: name one layer, "
                "pooling and prompt, or leave out= away"
            )
        with ExitStack() as stack:
            results = {
                reading: stack.enter_context(_destination(out, output.place, len(self._texts)))
                for reading, output in self._outputs.items()
            }
            for group in self._groups():
                self._fill(group, results)
            for result in results.values():
                result.repeat()
        if out is not None:
            return {self.readings[0]: np.load(out, mmap_mode="r", allow_pickle=False)}
        return {reading: result.array for reading, result in results.items()}

    def stored(self) -> np.ndarray:
        """Return which distinct texts, in order of appearance, the first reading's store holds."""
        store = self._outputs[self.readings[0]].store
        return np.zeros(len(self._texts), bool) if store is None else store.has(self._hashes)

    def note(self, reading: Reading, **facts: Any) -> None:
        """Put facts into the manifest of a reading's store, if there is one."""
        if (store := self._outputs[reading].store) is not None:
            store.note(**facts)

    def drift(self, reading: Reading) -> dict[str, Any] | None:
        """Return what the doctor measured of a reading's quantisation and left in its store."""
        store = self._outputs[reading].store
        return None if store is None else store.manifest().get("drift")

    def name(self, reading: Reading) -> str:
        """Return the encoder's display name."""
        return self._outputs[reading].spec.display_name

    def parameters(self, reading: Reading) -> dict[str, int]:
        """Count the parameters of a reading; from the store where that saves loading a model."""
        output = self._outputs[reading]
        known = output.store.parameters() if output.store and self._named else None
        return known or output.backend.parameters()

    def ingredients(self, reading: Reading) -> dict[str, Any]:
        """Return everything that shapes a vector besides its text; its hash is the key."""
        return self._outputs[reading].ingredients

    def _groups(self) -> list[list[Reading]]:
        """Readings that one pass over the texts serves."""
        groups: dict[int, list[Reading]] = {}
        for reading, output in self._outputs.items():
            backend = output.backend
            shared = backend.model if isinstance(backend, HfBackend) else output
            groups.setdefault(id(shared), []).append(reading)
        return list(groups.values())

    def _fill(self, group: list[Reading], results: "dict[Reading, _Result]") -> None:
        """Bring the vectors of a group's readings into their results."""
        missing = {reading: self._wanted(reading) for reading in group}
        stores = {r: s for r in group if (s := self._outputs[r].store) is not None}

        def find() -> None:
            for reading, store in stores.items():
                left = np.flatnonzero(missing[reading])
                for found, vectors in store.read(self._hashes[left]) if len(left) else ():
                    results[reading].put(left[found], vectors)
                    missing[reading][left[found]] = False

        find()
        alone = [("", np.ones(len(self._texts), bool))]
        for share, mine in shares(self._hashes) if stores else alone:
            if not any((missing[reading] & mine).any() for reading in group):
                continue
            with ExitStack() as stack:
                by_key = sorted(stores.items(), key=lambda item: item[1].key)  # no deadlock
                writers = {r: stack.enter_context(store.writer(share)) for r, store in by_key}
                if writers:
                    find()  # another process may have made them while this one waited
                here = {reading: missing[reading] & mine for reading in group}
                self._make(here, results, writers)
                for reading in group:
                    missing[reading] &= ~mine

    def _make(
        self,
        missing: dict[Reading, np.ndarray],
        results: "dict[Reading, _Result]",
        writers: dict[Reading, Writer],
    ) -> None:
        """Encode what is missing, checked and none left out, and keep it."""
        wanted = np.flatnonzero(np.logical_or.reduce(list(missing.values())))
        if not len(wanted):
            return
        group = list(missing)
        done = np.zeros(len(self._texts), bool)
        backend = self._outputs[group[0]].backend
        streamed = isinstance(backend, HfBackend) and backend.model.placement == "streamed"
        shown = self._progress and not streamed  # a streamed pass shows its blocks instead
        try:
            with LazyBar(len(wanted), "Encoding texts", shown=shown) as bar:
                for positions, made in self._run(group, wanted):
                    done[positions] = True
                    for reading, vectors in zip(group, made, strict=True):
                        checked = self._checked(vectors, positions, self._outputs[reading].spec)
                        new = missing[reading][positions]
                        here, kept = positions[new], checked[new]
                        results[reading].put(here, kept)
                        if reading in writers and len(here):
                            writers[reading].add(self._hashes[here], kept)
                    bar.advance(len(positions))
        except TokenlessTextError as error:
            raise self._tokenless(error, group[0]) from error
        if not done[wanted].all():
            left = wanted[~done[wanted]]
            raise EncoderError(
                f"{self.name(group[0])} must give a vector for every text; {len(left)} of "
                f"{len(wanted)} have none, the first of them {self._texts[left[0]]!r}"
            )
        for reading in writers:
            parameters = self._outputs[reading].backend.parameters()
            self.note(reading, name=self.name(reading), parameters=parameters)

    def _run(
        self, group: list[Reading], wanted: np.ndarray
    ) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
        backends = [self._outputs[reading].backend for reading in group]
        first = backends[0]
        if isinstance(first, HfBackend):
            read = [backend.reading for backend in backends if isinstance(backend, HfBackend)]
            yield from first.model.reader.encode(self._texts, wanted, read)
        else:
            for positions, vectors in first.encode(self._texts, wanted):
                yield positions, [vectors]

    def _wanted(self, reading: Reading) -> np.ndarray:
        wanted = np.zeros(len(self._texts), bool)
        wanted[self._outputs[reading].place] = True
        return wanted

    def _checked(self, vectors: np.ndarray, positions: np.ndarray, spec: EncoderSpec) -> np.ndarray:
        vectors = np.asarray(vectors, dtype=np.float32)
        if vectors.ndim != 2 or len(vectors) != len(positions):
            raise EncoderError(
                f"{spec.name} must yield one vector for each of {len(positions)} positions; "
                f"got shape {vectors.shape}"
            )
        finite = np.isfinite(vectors).all(axis=1)
        if not finite.all():
            text = self._texts[int(positions[int(np.argmin(finite))])]
            raise EncoderError(
                f"{spec.name} gives a vector that is not finite for {text[:60]!r}; "
                "try dtype='float32'"
            )
        if not spec.normalize:
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.maximum(lengths, 1e-12)

    def _tokenless(self, error: TokenlessTextError, reading: Reading) -> ValueError:
        place = self._outputs[reading].place
        given = [int(np.argmax(place == position)) for position in error.positions[:5]]
        return ValueError(
            f"every text must hold a token that {self._outputs[reading].spec.name} can read; none "
            f"in {len(error.positions)} texts, the first at positions {given}"
        )


def _spec(encoder: Any, settings: dict[str, Any]) -> EncoderSpec:
    if isinstance(encoder, str | Path | EncoderSpec):
        return resolve(encoder, **settings)
    if not isinstance(encoder, Backend):
        raise TypeError(
            "encoder must be a name, a folder, an EncoderSpec or an object with the methods "
            f"identity, encode and parameters; got {type(encoder).__name__}"
        )
    return own_backend(encoder, settings)


def _with_prompt(texts: list[str], prompt: str) -> list[str]:
    if prompt == "{text}":
        return texts
    return [prompt.replace("{text}", text) for text in texts]


class _Result:
    """The ``(num_texts, E)`` array, made once the width is known: in memory, or in a file."""

    def __init__(self, place: np.ndarray, num_distinct: int, file: Path | None) -> None:
        self._place, self._file = place, file
        self._row = np.full(num_distinct, -1)  # where each distinct text appears first
        self._row[place[::-1]] = np.arange(len(place))[::-1]
        self.array: np.ndarray = np.empty((0, 0), np.float32)

    def put(self, positions: np.ndarray, vectors: np.ndarray) -> None:
        """Write ``(B, E)`` vectors to the first rows of the texts at ``positions``."""
        shape = (len(self._place), vectors.shape[1])
        if not self.array.size:
            self.array = (
                np.empty(shape, np.float32)
                if self._file is None
                else np.lib.format.open_memmap(self._file, "w+", np.float32, shape)
            )
        elif self.array.shape != shape:
            raise EncoderError(
                "all vectors of an encoder must have one width; "
                f"got {self.array.shape[1]} and {shape[1]}"
            )
        self.array[self._row[positions]] = vectors

    def repeat(self) -> None:
        """Copy each text's vector to where it appears again."""
        again = np.flatnonzero(self._row[self._place] != np.arange(len(self._place)))
        for start in range(0, len(again), 8192):  # in parts: the result may be a file above memory
            part = again[start : start + 8192]
            self.array[part] = self.array[self._row[self._place[part]]]
        if isinstance(self.array, np.memmap):
            self.array.flush()


@contextmanager
def _destination(
    out: str | PathLike[str] | None, place: np.ndarray, num_distinct: int
) -> Iterator[_Result]:
    if out is None:
        yield _Result(place, num_distinct, None)
        return
    if Path(out).suffix != ".npy":
        raise ValueError(f"out must be a file name that ends in .npy; got {str(out)!r}")
    with atomic_write(out) as temporary:
        yield _Result(place, num_distinct, temporary)
