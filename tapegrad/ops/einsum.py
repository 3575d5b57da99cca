"""einsum, as a composition: diagonals, sums, and one matrix product per pair of operands."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from ..tensor import Tensor
from . import linear as rows
from .axes import as_tensor
from .composite import diagonal
from .reductions import sum
from .structured import matmul


def einsum(subscripts: str, *operands: Any) -> Tensor:
    """Sums of products over labelled axes, as np.einsum with a subscripts string.

    Raises:
        ShapeError: if the subscripts do not fit the operands.
    Cost: one matrix product per pair of operands, in the order np.einsum_path finds.
    """
    tensors = [as_tensor(x) for x in operands]
    labels, result = _parse(subscripts, tensors)
    _check_lengths(subscripts, labels, tensors)
    terms = [_with_diagonals(x, names) for x, names in zip(tensors, labels)]
    for pair in _order(labels, result, tensors):
        chosen = [terms.pop(i) for i in sorted(pair, reverse=True)][::-1]
        needed = set(result).union(*[names for _, names in terms])
        term = _summed(*chosen[0], needed.union(*[names for _, names in chosen[1:]]))
        for k, other in enumerate(chosen[1:], 2):
            later = needed.union(*[names for _, names in chosen[k:]])
            term = _contract(term, _summed(*other, later | set(term[1])), later)
        terms.append(term)
    ((x, names),) = terms
    x, names = _summed(x, names, set(result))
    return _in_order(x, names, result)


def _parse(subscripts: str, tensors: list) -> tuple[list[str], str]:
    """Labels of each operand and of the result; an ellipsis becomes capital letters unused."""
    if not isinstance(subscripts, str):
        raise TypeError(f"einsum: subscripts must be a string, got {type(subscripts).__name__}")
    text = subscripts.replace(" ", "")
    left, arrow, right = text.partition("->")
    labels = left.split(",")
    if len(labels) != len(tensors):
        raise ShapeError(f"einsum: {subscripts!r} names {len(labels)} operands, got {len(tensors)}")
    free = [c for c in map(chr, range(0x100, 0x200)) if c not in text]
    widest = 0
    for i, (names, x) in enumerate(zip(labels, tensors)):
        dots = x.ndim - len(names.replace("...", ""))
        if dots < 0 or (dots and "..." not in names):
            raise ShapeError(
                f"einsum: {names!r} in {subscripts!r} does not fit an operand of shape {x.shape}"
            )
        labels[i] = names.replace("...", "".join(free[64 - dots : 64]))
        widest = dots if dots > widest else widest
    dotted = "".join(free[64 - widest : 64])
    if arrow:
        result = right.replace("...", dotted)
    else:
        every = "".join(labels)
        once = sorted(c for c in set(every) - set(dotted) if every.count(c) == 1)
        result = dotted + "".join(once)
    known = set("".join(labels))
    if len(set(result)) != len(result) or not set(result) <= known:
        raise ShapeError(f"einsum: the result of {subscripts!r} repeats or invents a label")
    return labels, result


def _check_lengths(subscripts: str, labels: list[str], tensors: list) -> None:
    lengths: dict[str, int] = {}
    for names, x in zip(labels, tensors):
        for name, n in zip(names, x.shape):
            if lengths.setdefault(name, n) != n:
                if 1 not in (n, lengths[name]):
                    raise ShapeError(
                        f"einsum: in {subscripts!r} one label has lengths {lengths[name]} and {n}"
                    )
                lengths[name] = n if lengths[name] == 1 else lengths[name]


def _order(labels: list[str], result: str, tensors: list) -> list[tuple[int, ...]]:
    """Which terms to join, step by step; the joined one goes to the end."""
    if len(labels) < 3:
        return [tuple(range(len(labels)))]
    names = {c: chr(ord("a") + i) for i, c in enumerate(dict.fromkeys("".join(labels)))}
    text = ",".join("".join(names[c] for c in part) for part in labels)
    text += "->" + "".join(names[c] for c in result)
    shapes = [np.broadcast_to(np.float64(0), x.shape) for x in tensors]
    try:
        return np.einsum_path(text, *shapes, optimize="greedy")[0][1:]
    except (ValueError, TypeError):  # more labels than NumPy has letters
        return [(0, 1)] * (len(labels) - 1)


def _with_diagonals(x: Tensor, names: str) -> tuple[Tensor, str]:
    """Repeated labels taken once, along the diagonal."""
    for name in dict.fromkeys(names):
        while names.count(name) > 1:
            i = names.index(name)
            j = names.index(name, i + 1)
            x = diagonal(x, i, j)
            names = "".join(c for k, c in enumerate(names) if k not in (i, j)) + name
    return x, names


def _summed(x: Tensor, names: str, needed: set) -> tuple[Tensor, str]:
    """Without the labels that nobody else asks for."""
    gone = tuple(i for i, name in enumerate(names) if name not in needed)
    if not gone:
        return x, names
    return sum(x, gone, dtype=x.dtype), "".join(name for name in names if name in needed)


def _contract(a: tuple[Tensor, str], b: tuple[Tensor, str], needed: set) -> tuple[Tensor, str]:
    """Two terms as one stacked matrix product: labels in both that are needed are the stack."""
    (x, of_x), (y, of_y) = a, b
    x, of_x = _without_ones(x, of_x, y, of_y)
    y, of_y = _without_ones(y, of_y, x, of_x)
    both = [n for n in of_x if n in of_y]
    stack = [n for n in both if n in needed]
    inner = [n for n in both if n not in needed]
    rows_, columns = [n for n in of_x if n not in both], [n for n in of_y if n not in both]
    x = _in_order(x, of_x, stack + rows_ + inner)
    y = _in_order(y, of_y, stack + inner + columns)
    s, r, c = len(stack), len(rows_), len(columns)
    stacked, kept, ends = x.shape[:s], x.shape[s : s + r], y.shape[y.ndim - c :]
    m, k, n = (int(np.prod(v, dtype=np.int64)) for v in (kept, x.shape[s + r :], ends))
    x, y = rows.reshape(x, (*stacked, m, k)), rows.reshape(y, (*stacked, k, n))
    product = matmul(x, y) if inner else x * y
    return rows.reshape(product, stacked + kept + ends), "".join(stack + rows_ + columns)


def _without_ones(x: Tensor, of_x: str, y: Tensor, of_y: str) -> tuple[Tensor, str]:
    """Labels of length 1 here and longer there broadcast: drop them here."""
    gone = [
        i
        for i, name in enumerate(of_x)
        if x.shape[i] == 1 and name in of_y and y.shape[of_y.index(name)] != 1
    ]
    if not gone:
        return x, of_x
    shape = tuple(n for i, n in enumerate(x.shape) if i not in gone)
    return rows.reshape(x, shape), "".join(c for i, c in enumerate(of_x) if i not in gone)


def _in_order(x: Tensor, names: Any, wanted: Any) -> Tensor:
    perm = tuple(list(names).index(name) for name in wanted)
    return x if perm == tuple(range(len(perm))) else rows.transpose(x, perm)
