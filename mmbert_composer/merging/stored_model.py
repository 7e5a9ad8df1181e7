"""Where the tensors of a model lie on disk, without reading them: Hugging Face folders and our checkpoints."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from io import FileIO
from math import prod
from pathlib import Path

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from mmbert_composer.checkpoints.model_weights import DECODER, EMBEDDING, hf_names
from mmbert_composer.checkpoints.read_checkpoint import read_checkpoint
from mmbert_composer.checkpoints.safetensors_file import stored_tensors
from mmbert_composer.checkpoints.weight_files import weight_files
from mmbert_composer.errors import UserError

_COMPARED_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class DiskTensor:
    """A tensor whose elements lie one after another in an open file, the first at byte ``offset``."""

    file: FileIO
    offset: int
    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    def read_into(self, start: int, buffer: memoryview) -> None:
        """Fill ``buffer`` (bytes) with the elements from number ``start`` on.

        Not memory-mapped: pages of a mapped file count as memory of the process for as long as it maps them.
        """
        position, done = self.offset + start * self.dtype.itemsize, 0
        while done < len(buffer):
            count = os.preadv(self.file.fileno(), [buffer[done:]], position + done)
            if count == 0:
                raise UserError(f"{self.file.name}: ended early; was it changed while it was read?")
            done += count


@dataclass(frozen=True)
class StoredModel:
    """A model on disk: its tensors by transformers' names, sorted; a tied decoder appears once, as the embedding."""

    name: str
    tensors: Mapping[str, DiskTensor]

    @property
    def size(self) -> int:
        """Number of parameters."""
        return sum(tensor.size for tensor in self.tensors.values())


def open_stored_model(path: str | Path, files: ExitStack) -> StoredModel:
    """The model at ``path``, a ``.pt`` checkpoint or a folder with safetensors; nothing but headers is read.

    Its files stay open until ``files`` closes. Raises UserError for files that are missing, incomplete, or of no
    ModernBertForMaskedLM.
    """
    path = Path(path)
    tensors = _folder_tensors(path, files) if path.is_dir() else _checkpoint_tensors(path, files)
    # The names' rules are those of model_weights, which wants tensors: numbers stand for ours.
    numbered = {name: torch.tensor(number) for number, name in enumerate(tensors)}
    names = list(tensors)
    named = {new: tensors[names[int(number)]] for new, number in hf_names(numbered, path).items()}
    if DECODER in named and _same(named[DECODER], named[EMBEDDING]):
        del named[DECODER]
    return StoredModel(str(path), named)


def check_alike(models: Sequence[StoredModel]) -> None:
    """Raise a UserError naming every tensor that one model has and another has not, or in another shape."""
    first = models[0]
    faults = []
    for model in models[1:]:
        faults += [f"{name} is missing in {model.name}" for name in first.tensors if name not in model.tensors]
        faults += [f"{name} is only in {model.name}" for name in model.tensors if name not in first.tensors]
        for name in first.tensors.keys() & model.tensors.keys():
            ours, theirs = first.tensors[name], model.tensors[name]
            if ours.shape != theirs.shape:
                shapes = f"{list(ours.shape)} and {list(theirs.shape)}"
                faults.append(f"{name} has shapes {shapes} in {first.name} and {model.name}")
            elif ours.dtype.is_floating_point != theirs.dtype.is_floating_point:
                faults.append(f"{name} is {ours.dtype} in {first.name} and {theirs.dtype} in {model.name}")
    if faults:
        raise UserError(f"merge: the models do not match: {'; '.join(faults)}")


def merged_dtype(models: Iterable[StoredModel]) -> torch.dtype:
    """The floating type of a merge: what all floating tensors of ``models`` have, or float32 if they differ."""
    found = {t.dtype for model in models for t in model.tensors.values() if t.dtype.is_floating_point}
    return found.pop() if len(found) == 1 else torch.float32


def _folder_tensors(folder: Path, files: ExitStack) -> dict[str, DiskTensor]:
    found: dict[str, DiskTensor] = {}
    for file in weight_files(folder):
        described = stored_tensors(file)
        opened = files.enter_context(FileIO(file))
        length = int.from_bytes(opened.read(8), "little")
        header = json.loads(opened.read(length))
        for name, tensor in described.items():
            offset = 8 + length + header[name]["data_offsets"][0]
            found[name] = DiskTensor(opened, offset, tensor.dtype, tensor.shape)
    return found


def _checkpoint_tensors(path: Path, files: ExitStack) -> dict[str, DiskTensor]:
    with FakeTensorMode():  # tensors without data, whose storages say where in the file theirs is
        weights = read_checkpoint(path)["state"]["model"]
    opened = files.enter_context(FileIO(path))
    found = {}
    for name, tensor in weights.items():
        if not tensor.is_contiguous():
            raise UserError(f"{path}: {name} is not stored in the order of its shape; export it first (mmbert export)")
        start = tensor.untyped_storage()._checkpoint_offset + tensor.storage_offset() * tensor.element_size()
        found[name] = DiskTensor(opened, start, tensor.dtype, tuple(tensor.shape))
    return found


def _same(one: DiskTensor, other: DiskTensor) -> bool:
    if (one.shape, one.dtype) != (other.shape, other.dtype):
        return False
    if one.file is other.file and one.offset == other.offset:
        return True
    size = one.size * one.dtype.itemsize
    ours, theirs = (bytearray(min(size, _COMPARED_AT_ONCE)) for _ in range(2))
    for start in range(0, size, _COMPARED_AT_ONCE):
        count = min(_COMPARED_AT_ONCE, size - start)
        for tensor, buffer in ((one, ours), (other, theirs)):
            tensor.read_into(start // one.dtype.itemsize, memoryview(buffer)[:count])
        if memoryview(ours)[:count] != memoryview(theirs)[:count]:
            return False
    return True
