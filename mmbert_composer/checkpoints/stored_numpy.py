"""numpy arrays inside a checkpoint, built without numpy's own unpickling.

``numpy.dtype`` and ``numpy.ndarray`` on an allow-list would be a hole: a pickled dtype may say that its elements are
Python objects and that they come as raw bytes, and reading one follows an address that the file chose. So their names
lead here, where an array is plain numbers and as many bytes as its shape needs, or is refused. A checkpoint holds one
such array, the state of numpy's generator.
"""

import math
from pickle import UnpicklingError
from typing import Any, NoReturn

import numpy as np

NUMBERS = {
    f"{kind}{size}" for kind, sizes in {"b": "1", "i": "1248", "u": "1248", "f": "248"}.items() for size in sizes
}
"""Codes of the types that an array may have, as numpy pickles them."""


class StoredDtype:
    """Stands for ``numpy.dtype``: the type of an array of numbers in the byte order of this kind of machine."""

    def __init__(self, code: object, align: object = False, copy: object = True) -> None:
        if code not in NUMBERS:
            raise UnpicklingError(f"a numpy array of type {code!r}, not of plain numbers")
        self.dtype = np.dtype(str(code))

    def __setstate__(self, state: object) -> None:
        # (version, byte order, sub-array, names, fields, size, alignment, flags): only the byte order says anything.
        if not isinstance(state, tuple) or len(state) < 2 or state[1] not in ("<", "|"):
            raise UnpicklingError("a numpy array in another byte order")


class ArrayKind:
    """Stands for ``numpy.ndarray``, which a pickle names and never calls."""

    def __new__(cls, *arguments: object) -> NoReturn:
        raise UnpicklingError("a numpy array built by hand")


class StoredArray(np.ndarray):
    """An array of plain numbers whose state is checked before numpy sees it."""

    def __setstate__(self, state: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        if not isinstance(state, tuple) or len(state) != 5:
            raise UnpicklingError("a numpy array without its five facts")
        _, shape, kind, fortran, raw = state
        if not isinstance(kind, StoredDtype) or not isinstance(raw, bytes):
            raise UnpicklingError("a numpy array that does not come as bytes")
        if not isinstance(shape, tuple) or not all(isinstance(n, int) and n >= 0 for n in shape):
            raise UnpicklingError(f"a numpy array of shape {shape!r}")
        if len(raw) != math.prod(shape) * kind.dtype.itemsize:
            raise UnpicklingError(f"a numpy array of shape {shape} in {len(raw)} bytes")
        super().__setstate__((1, shape, kind.dtype, bool(fortran), raw))  # pyright: ignore[reportArgumentType]

    def __reduce__(self) -> Any:
        return self.view(np.ndarray).__reduce__()  # stored again, it is an array as any other


def empty_array(kind: object, shape: object, code: object) -> StoredArray:
    """Stands for numpy's ``_reconstruct``, which makes an empty array of bytes for ``__setstate__`` to fill."""
    if kind is not ArrayKind:
        raise UnpicklingError("a numpy array of another class")
    return np.ndarray.__new__(StoredArray, (0,), np.dtype("u1"))


NUMPY_GLOBALS: list[tuple[Any, str]] = [
    (StoredDtype, "numpy.dtype"),
    (ArrayKind, "numpy.ndarray"),
    (StoredArray, "unnamed"),  # has no dot, so no pickle can name it: it is here to be given its state
    (empty_array, "numpy._core.multiarray._reconstruct"),
    (empty_array, "numpy.core.multiarray._reconstruct"),
]
"""What each name in a pickle leads to; the second name of ``_reconstruct`` is numpy 1's."""
