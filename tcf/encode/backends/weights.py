"""A model's weight files, read tensor by tensor, once and in order, without mapping them."""

import json
import math
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tcf.errors import EncoderError

__all__ = ["StoredTensor", "WeightFiles"]

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
_PIECE_BYTES = 16 * 2**20  # what is read at once where the number format changes on the way


class StoredTensor:
    """A tensor that lies in a file until Transformers asks for it, by ``tensor[...].to(...)``."""

    def __init__(self, numel: int, read: Callable[[torch.device, torch.dtype], Tensor]) -> None:
        self.numel = numel
        self._read = read

    def __getitem__(self, index: Any) -> "StoredTensor":
        assert index is Ellipsis, "a stored tensor is read whole"
        return self

    def to(self, *, device: Any, dtype: torch.dtype) -> Tensor:
        """Return the tensor, read and converted in pieces, so that only the result takes memory."""
        return self._read(torch.device(device), dtype)


class WeightFiles:
    """The files that Transformers would load from a folder, opened for reading parts of them.

    Args:
        folder: The model's folder: one safetensors file, several with their index, or, where there
            are none, PyTorch's ``.bin`` files, which hold tensors and nothing else.
        config: The model's configuration.

    Raises:
        EncoderError: If a file is missing, truncated, or in a form that cannot be read in parts.
    """

    def __init__(self, folder: Path, config: Any) -> None:
        self.tensors: dict[str, StoredTensor] = {}
        self._ranges: dict[str, tuple[int, int, int]] = {}  # key -> file, first byte, past the last
        self._files: list[int] = []
        self._spare: dict[int, list[Tensor]] = {}  # by size in bytes
        self._scratch: Tensor | None = None
        self._reading = threading.Lock()  # Transformers asks from several threads; a disk is one
        for path in _weight_paths(folder, config):
            if not path.is_file():
                raise EncoderError(f"{path} is missing; download the model again")
            (self._open if path.suffix == ".safetensors" else self._map)(path)

    def prefetch(self, keys: Iterable[str]) -> None:
        """Ask the system to read these tensors ahead, in the order they lie in."""
        spans: list[list[int]] = []
        for file, start, end in sorted(self._ranges[key] for key in keys if key in self._ranges):
            if spans and spans[-1][0] == file and spans[-1][2] == start:
                spans[-1][2] = end
            else:
                spans.append([file, start, end])
        for file, start, end in spans:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file, start, end - start, os.POSIX_FADV_WILLNEED)

    def recycle(self, tensors: Iterable[Tensor], sizes: set[int]) -> None:
        """Take back the memory of tensors that nobody uses any more, for those read next.

        Memory fresh from the system costs a page fault every 4 KiB, which can take longer than the
        reading itself.

        Args:
            tensors: Read from here.
            sizes: In bytes, of those that will be read next; others are let go.
        """
        flat = {
            tensor.data_ptr(): tensor.detach().view(-1).view(torch.uint8)
            for tensor in tensors
            if tensor.device.type == "cpu"
            and tensor.is_contiguous()
            and tensor.untyped_storage().nbytes() == tensor.nbytes in sizes
        }
        with self._reading:
            for tensor in flat.values():
                self._spare.setdefault(len(tensor), []).append(tensor)

    def drop_spare(self) -> None:
        """Let go of recycled memory that was not used again."""
        with self._reading:
            self._spare = {}

    def close(self) -> None:
        """Close the files; tensors that were read stay."""
        for file in self._files:
            os.close(file)
        self._files = []
        self.tensors = {}

    def _open(self, path: Path) -> None:
        """Add the tensors of a safetensors file: a length, a JSON header, and bytes."""
        file = os.open(path, os.O_RDONLY)
        self._files.append(file)
        try:
            size = int.from_bytes(os.pread(file, 8, 0), "little")
            about = json.loads(os.pread(file, size, 8)) if 0 < size < 2**30 else {}
            about.pop("__metadata__", None)
            last = max((entry["data_offsets"][1] for entry in about.values()), default=-1)
        except (ValueError, KeyError, TypeError) as error:
            raise EncoderError(f"{path}: not a safetensors file ({error})") from None
        if os.fstat(file).st_size != 8 + size + last:
            raise EncoderError(f"{path}: not a whole safetensors file; download the model again")
        for key, entry in about.items():
            start, end = (8 + size + offset for offset in entry["data_offsets"])
            if entry["dtype"] not in _DTYPES:
                raise EncoderError(
                    f"{path}: {key} must be in a plain number format; it is {entry['dtype']}. Use "
                    "placement='resident', which leaves it to Transformers"
                )
            self._ranges[key] = (file, start, end)
            self.tensors[key] = StoredTensor(
                math.prod(entry["shape"]),
                self._reader(file, start, entry["shape"], _DTYPES[entry["dtype"]]),
            )

    def _reader(
        self, file: int, start: int, shape: list[int], stored: torch.dtype
    ) -> Callable[[torch.device, torch.dtype], Tensor]:
        def read(device: torch.device, dtype: torch.dtype) -> Tensor:
            with self._reading:
                result = self._room(shape, dtype)
                if dtype == stored:
                    _read_into(result.view(-1), file, start)
                else:
                    self._convert_into(result.view(-1), file, start, stored)
            return result.to(device)

        return read

    def _convert_into(self, flat: Tensor, file: int, start: int, stored: torch.dtype) -> None:
        if self._scratch is None:
            self._scratch = torch.empty(_PIECE_BYTES, dtype=torch.uint8)
        scratch = self._scratch.view(stored)
        for first in range(0, len(flat), len(scratch)):
            piece = scratch[: len(flat) - first]
            _read_into(piece, file, start + first * stored.itemsize)
            flat[first : first + len(piece)].copy_(piece)

    def _room(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return memory for a tensor, used before where there is some."""
        spare = self._spare.get(math.prod(shape) * dtype.itemsize)
        if spare:
            return spare.pop().view(dtype).view(*shape)
        return torch.empty(*shape, dtype=dtype)

    def _map(self, path: Path) -> None:
        """Add the tensors of a PyTorch file, which stay in the file until they are copied out."""
        from zipfile import is_zipfile

        from transformers.modeling_utils import load_state_dict

        if not is_zipfile(path):
            raise EncoderError(
                f"{path} is in PyTorch's format from before version 1.6, which cannot be read in "
                "parts; load the model once where it fits, save it with save_pretrained, and "
                "encode from that folder"
            )
        try:
            mapped = load_state_dict(path, weights_only=True)
        except Exception as error:  # a truncated archive, or one that holds more than tensors
            raise EncoderError(f"{path}: not a file of tensors ({error})") from None
        for key, tensor in mapped.items():
            self.tensors[key] = StoredTensor(tensor.numel(), self._copier(tensor))

    def _copier(self, tensor: Tensor) -> Callable[[torch.device, torch.dtype], Tensor]:
        def read(device: torch.device, dtype: torch.dtype) -> Tensor:
            with self._reading:
                return self._room(tensor.shape, dtype).copy_(tensor).to(device)

        return read


def _read_into(flat: Tensor, file: int, start: int) -> None:
    """Fill a flat tensor with the bytes that begin at ``start``."""
    target = flat.view(torch.uint8).numpy().data
    done = 0
    while done < len(target):
        count = os.preadv(file, [target[done:]], start + done)
        if count == 0:
            raise EncoderError("a weight file became shorter while it was read")
        done += count


def _weight_paths(folder: Path, config: Any) -> list[Path]:
    """The files that Transformers would load, in its order of preference."""
    from transformers.utils import (
        SAFE_WEIGHTS_INDEX_NAME,
        SAFE_WEIGHTS_NAME,
        WEIGHTS_INDEX_NAME,
        WEIGHTS_NAME,
    )

    named = getattr(config, "transformers_weights", None)
    names = [SAFE_WEIGHTS_NAME, SAFE_WEIGHTS_INDEX_NAME, WEIGHTS_NAME, WEIGHTS_INDEX_NAME]
    for name in [named] if named else names:
        path = folder / name
        if not path.is_file():
            continue
        if not name.endswith(".index.json"):
            return [path]
        try:
            shards = json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EncoderError(f"{path}: not an index of weight files ({error})") from None
        return [folder / shard for shard in sorted(set(shards))]
    raise EncoderError(f"{folder} must hold one of {', '.join(names)}; it holds none of them")
