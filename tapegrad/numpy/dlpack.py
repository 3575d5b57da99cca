"""DLPack both ways: sharing memory with PyTorch, JAX, NumPy and the rest without copying."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine import select
from ..errors import DTypeError
from ..tensor import Tensor, tensor
from .creation import check_device
from .registry import plain

CPU = (1, 0)  # DLPack's kDLCPU, device 0


def exported(
    self: Tensor, *, stream: None = None, max_version: tuple[int, int] | None = None,
    dl_device: tuple[int, int] | None = None, copy: bool | None = None,
) -> Any:  # fmt: skip
    """A DLPack capsule of the values.

    The memory is shared, read-only. A consumer too old for a read-only capsule (one that asks for
    no version from 1.0 on) gets a copy.

    Raises:
        BufferError: for another device than the CPU, or copy=False where a copy is needed.
    """
    if stream is not None:
        raise ValueError("__dlpack__: a CPU array has no stream")
    if dl_device not in (None, CPU):
        raise BufferError(f"__dlpack__: the values are on the CPU {CPU}, not on {dl_device}")
    array = np.asarray(self)
    versions = {} if max_version is None or max_version < (1, 0) else {"max_version": max_version}
    if copy or not (versions and _CAN_SAY_READ_ONLY):
        if copy is False:
            raise BufferError(
                "__dlpack__: the memory is read-only, which only DLPack 1.0 can say: ask for "
                "max_version=(1, 0), or allow a copy"
            )
        array = array.copy()
    return array.__dlpack__(**versions) if _CAN_SAY_READ_ONLY else array.__dlpack__()


_CAN_SAY_READ_ONLY = np.lib.NumpyVersion(np.__version__) >= "2.1.0"


@plain
def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A Tensor over the memory of another library's CPU array; with copy=True, of its own.

    The Tensor is recorded on no tape yet. While the memory is shared its owner may write it, so
    tapes keep copies of what they save of this Tensor.

    Raises:
        ValueError: for copy=False, if the memory cannot be shared (bool, or unaligned).
        BufferError: if x is on another device.
        DTypeError: if NumPy has no such dtype (bfloat16, say).
    """
    check_device(device)
    try:
        array = np.from_dlpack(x)
    except RuntimeError as error:  # NumPy's, for a dtype that it does not have
        raise DTypeError(
            f"from_dlpack: {error} (got {getattr(x, 'dtype', type(x).__name__)}): convert it to "
            "bool, integers, floats or complex numbers first"
        ) from None
    shared = None if copy else select.share(array, Tensor)
    if shared is not None:
        return shared
    if copy is False:
        raise ValueError(f"from_dlpack: a Tensor of this {array.dtype} array needs a copy")
    return tensor(array)
