"""numpy.vectorize: a function of numbers, or of small arrays, applied over broadcast axes; and
numpy.ndenumerate, the elements one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from ..ops import linear
from ..ops.axes import as_tensor
from ..ops.shapes import as_dtype, broadcast_to, stack
from ..tensor import Tensor, tensor


def ndenumerate(arr: Any) -> Iterator[tuple[tuple[int, ...], Tensor]]:
    """Each element's position and the element, a 0-d Tensor, in C order."""
    x = as_tensor(arr)
    return ((position, x[position]) for position in np.ndindex(x.shape))


class vectorize:
    """A function applied over the broadcast axes of its arguments, as numpy.vectorize.

    Args:
        pyfunc: called once for each element, with 0-d Tensors (or those that the signature says);
            returns a number, an array, or a tuple of them. Without it, a decorator.
        otypes: dtypes of the results; as pyfunc gives them if None.
        excluded: positions and names of arguments that are passed whole.
        signature: the axes of each call's arguments and results, such as "(m,n),(n)->(m)".
    Raises:
        ValueError: for another text as signature, or no element to tell the results' dtype by.
        ShapeError: if arguments or results do not fit the signature.
    Cost: a call of pyfunc for each element.
    """

    def __init__(
        self, pyfunc: Callable | None = None, otypes: Any = None, doc: str | None = None,
        excluded: Any = None, cache: bool = False, signature: str | None = None,
    ):  # fmt: skip
        self.otypes, self.doc = otypes, doc
        self.excluded = set(excluded or ())
        self.signature = signature
        self._inputs, self._outputs = (None, None) if signature is None else _parsed(signature)
        if pyfunc is not None:
            self._take(pyfunc)

    def _take(self, pyfunc: Callable) -> None:
        self.pyfunc = pyfunc
        self.__name__ = getattr(pyfunc, "__name__", "vectorize")
        self.__doc__ = pyfunc.__doc__ if self.doc is None else self.doc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not hasattr(self, "pyfunc"):  # used as a decorator with arguments
            self._take(args[0])
            return self
        places = [*range(len(args)), *kwargs]
        given = dict(zip(places, (*args, *kwargs.values())))
        spread = [k for k in places if k not in self.excluded]
        arrays = [as_tensor(given[k]) for k in spread]
        cores = [()] * len(arrays) if self._inputs is None else self._inputs
        if len(cores) != len(arrays):
            raise TypeError(
                f"vectorize: signature {self.signature!r} has {len(cores)} arguments, "
                f"got {len(arrays)}"
            )
        lengths: dict[str, int] = {}
        for x, names in zip(arrays, cores):
            self._measure(x, names, lengths)
        leads = [x.shape[: x.ndim - len(names)] for x, names in zip(arrays, cores)]
        lead = np.broadcast_shapes(*leads)
        count = int(np.prod(lead, dtype=np.int64))
        columns = []
        for x, front in zip(arrays, leads):
            core = x.shape[len(front) :]
            x = broadcast_to(x, (*lead, *core))
            columns.append(list(linear.reshape(x, (count, *core))))
        results = []
        for element in zip(*columns):
            given.update(zip(spread, element))
            results.append(
                self.pyfunc(*[given[k] for k in range(len(args))], **{k: given[k] for k in kwargs})
            )
        if not results:
            return self._of_nothing(lead, lengths)
        if isinstance(results[0], tuple):
            return tuple(
                self._joined(column, lead, k, lengths) for k, column in enumerate(zip(*results))
            )
        return self._joined(results, lead, 0, lengths)

    def _measure(self, x: Tensor, names: tuple, lengths: dict[str, int]) -> None:
        core = x.shape[x.ndim - len(names) :]
        if len(core) < len(names) or any(
            lengths.setdefault(name, n) != n for name, n in zip(names, core)
        ):
            raise ShapeError(
                f"vectorize: shape {x.shape} does not fit {_axes(names)} of signature "
                f"{self.signature!r} with {lengths}"
            )

    def _joined(self, column: Sequence, lead: tuple, k: int, lengths: dict[str, int]) -> Tensor:
        values = [as_tensor(v) for v in column]
        names = () if self._outputs is None else self._outputs[k]
        for v in values:
            if v.ndim != len(names):
                raise ShapeError(
                    f"vectorize: the function gave shape {v.shape}; need {_axes(names)}"
                    + ("" if self.signature else "; say which axes with signature=")
                )
            self._measure(v, names, lengths)
        y = linear.reshape(stack(values), (*lead, *values[0].shape))
        return y if self.otypes is None else as_dtype(y, np.dtype(self.otypes[k]))

    def _of_nothing(self, lead: tuple, lengths: dict[str, int]) -> Any:
        outputs = [()] * len(self.otypes or ()) if self._outputs is None else self._outputs
        if self.otypes is None or any(name not in lengths for out in outputs for name in out):
            raise ValueError(
                "vectorize: there is no element to apply the function to; give otypes=, and a "
                "signature whose results have axes of the arguments"
            )
        made = [
            tensor(np.empty((*lead, *(lengths[name] for name in names)), np.dtype(kind)))
            for names, kind in zip(outputs, self.otypes)
        ]
        return made[0] if len(made) == 1 else tuple(made)


_ONE = r"\(\s*(?:\w+\s*(?:,\s*\w+\s*)*,?)?\s*\)"
_SIGNATURE = re.compile(rf"{_ONE}(?:\s*,\s*{_ONE})*\s*->\s*{_ONE}(?:\s*,\s*{_ONE})*")


def _parsed(signature: str) -> tuple[list[tuple], list[tuple]]:
    """The names of the axes of each argument and of each result."""
    if not _SIGNATURE.fullmatch(signature.strip()):
        raise ValueError(f"vectorize: signature {signature!r} is not of the form '(m,n),(n)->(m)'")
    found = [
        [tuple(re.findall(r"\w+", one)) for one in re.findall(_ONE, side)]
        for side in signature.split("->")
    ]
    return found[0], found[1]


def _axes(names: tuple) -> str:
    return f"({','.join(names)})"
