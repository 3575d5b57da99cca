"""Gradients of each example's loss, without a loop over examples.

Where every value's first axis counts examples, one ordinary sweep from all losses at once gives
each example's cotangents, row by row; an example's gradient by a weight is then the outer product
of its row of cotangents and its row of inputs (Goodfellow 2015, Efficient per-example gradient
computations), and its squared norm the product of theirs. Weights reached through other values
(a transpose, a sum of two) are swept on in a block. Where examples mix (statistics of a batch,
an op not known to keep rows apart), the exact Jacobian is taken instead.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..engine import select
from ..engine.select import apply
from ..ops.table import BY_ID, OPS
from ..tensor import Tensor, identity
from .jacobians import jacobian_of, zeros_of


class Use(NamedTuple):
    """An entry of the examples' path that reads something all examples share."""

    op: Any
    input: int
    inputs: tuple
    out: Tensor
    params: tuple

    @property
    def shared(self) -> Tensor:
        return self.inputs[self.input]


def per_example_gradients(tape: Any, target: Tensor, sources: list) -> list[Tensor]:
    """For each source, (n, *source.shape): the gradient of each of n losses. Keeps the tape."""
    uses = find_uses(tape, target, sources)
    if uses is None:
        return jacobian_of(tape, [target], sources, "rev")[0]
    cts = _cotangents(tape, target, uses)
    parts = [_each(use, ct) for use, ct in zip(uses, cts)]
    n = target.shape[0]
    adopt = select.engine().adopt
    found = tape.sweep(
        [adopt(use.shared) for use in uses], [adopt(p) for p in parts], sources, n, True
    )
    return [zeros_of((n, *x.shape), x) if g is None else g for g, x in zip(found, sources)]


def per_example_square_norms(tape: Any, target: Tensor, sources: list) -> Tensor:
    """(n,): the squared norm of each loss's gradient by all sources. Keeps the tape."""
    uses = find_uses(tape, target, sources) or []
    known = {identity(x): k for k, x in enumerate(sources)}
    direct: dict[int, list] = {}
    for use in uses:
        direct.setdefault(known.get(identity(use.shared), -1), []).append(use)
    # a weight read once, by one product: no gradient is made
    simple = {
        k: found[0]
        for k, found in direct.items()
        if -1 not in direct and len(found) == 1 and _has_square_norm(found[0])
    }
    terms = []
    if simple:
        cts = _cotangents(tape, target, list(simple.values()))
        terms = [_square_norm(use, ct) for use, ct in zip(simple.values(), cts)]
    rest = [x for k, x in enumerate(sources) if k not in simple]
    if rest:
        terms += [_row_sums(g) for g in per_example_gradients(tape, target, rest)]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _cotangents(tape: Any, target: Tensor, uses: list[Use]) -> list:
    """Each use's cotangents, a row per example, from one sweep."""
    return tape.sweep([target], [None], [use.out for use in uses], 0, True)


def find_uses(tape: Any, target: Tensor, sources: list) -> list[Use] | None:
    """Where the examples' path meets what they share, or None if examples may mix."""
    n = target.shape[0]
    entries = tape.entries()
    reached = _depending(entries, {identity(x) for x in sources})
    rows = {identity(target)}
    uses = []
    for op_id, inputs, out, params, _, _ in reversed(entries):
        if identity(out) not in rows:
            continue
        op = BY_ID[op_id]
        for i, x in enumerate(inputs):
            if identity(x) not in reached or op.vjp(i) is None:
                continue
            keeps = _keeps_rows(op, i, inputs, out, params, n)
            if keeps is None:
                return None
            if keeps:
                rows.add(identity(x))
            else:
                uses.append(Use(op, i, inputs, out, params))
    if any(identity(x) in rows for x in sources):
        return None
    mixed = _depending(entries, rows)
    if any(identity(use.shared) in mixed for use in uses):
        return None  # what all share comes from the examples' own values
    return uses


def _depending(entries: list, of: set) -> set:
    """Values, by identity, and all that is computed of them."""
    found = set(of)
    for _, inputs, out, *_ in entries:
        if any(identity(x) in found for x in inputs):
            found.add(identity(out))
    return found


# --- which ops keep examples apart ------------------------------------------------------------

_ALONG_AXES = ("sum", "mean", "max", "min", "prod", "logsumexp")
_ALONG_AXIS = ("cumsum", "cumprod", "recurrence", "softmax", "log_softmax")


def _keeps_rows(op: Any, i: int, inputs: tuple, out: Tensor, p: tuple, n: int) -> bool | None:
    """Of an op whose result has a row per example: True if input i has too, row by row, False
    if all rows share it, None if neither is sure."""
    x = inputs[i]
    leads = x.ndim == out.ndim and x.shape[:1] == (n,)
    if op.is_elementwise or op.name == "broadcast_to":
        return leads
    if op.name == "linear":
        return (leads or None) if i == 0 else False
    if op.name == "matmul":
        a, b = inputs
        if a.ndim < 2 or b.ndim > 2:
            return None
        return i == 0
    if x.shape[:1] != (n,) or out.shape[:1] != (n,):
        return None
    apart = {
        **dict.fromkeys(_ALONG_AXES, lambda: 0 not in p[1:]),
        **dict.fromkeys(_ALONG_AXIS, lambda: p[0] != 0),
        **dict.fromkeys(("reshape", "copy", "astype", "cross_entropy"), lambda: True),
        "transpose": lambda: p[0] == 0,
        "sum_to": lambda: x.ndim == out.ndim,
        **dict.fromkeys(("slice", "slice_update"), lambda: p[:3] == (0, n, 1)),
        "pad": lambda: p[:2] == (0, 0),
        "concatenate": lambda: p[0] != 0,
        "take": lambda: p[0] != 0,
        "take_along_axis": lambda: p[0] != 0,
    }.get(op.name, lambda: False)
    return True if apart() else None


# --- what an example's row of cotangents is to what it shares ---------------------------------


def _each(use: Use, ct: Tensor) -> Tensor:
    """(n, *shared.shape): the shared operand's cotangent, example by example."""
    if use.op.name == "linear":
        x = use.inputs[0]
        if use.input == 2:
            return _sum(_lines(ct), (1,))
        return apply(OPS["matmul"].id, (_turned(_lines(ct)), _lines(x)))
    if use.op.name == "matmul":
        a, b = use.inputs
        if b.ndim == 1:
            ct = _reshape(ct, (*ct.shape, 1))
        g = apply(OPS["matmul"].id, (_turned(_lines(a)), _lines(ct)))
        return _reshape(g, (g.shape[0], *b.shape))
    op, i = use.op, use.input
    # broadcast_to's own rule would add up the examples
    is_copy = op.name == "broadcast_to"
    term = ct if is_copy else op.vjp(i)(op, i, ct, use.out, use.inputs, use.params)
    term = apply(OPS["broadcast_to"].id, (term,), use.out.shape)
    row = select.blocks().Block(_reshape(term, (term.shape[0], 1, *term.shape[1:])))
    return apply(OPS["sum_to"].id, (row,), use.shared.shape).value


def _has_square_norm(use: Use) -> bool:
    """Whether squared norms follow from rows alone."""
    return use.out.ndim == 2 and use.op.name in ("linear", "matmul") and use.input > 0


def _square_norm(use: Use, ct: Tensor) -> Tensor:
    """Of an outer product, the product of the factors' squared norms; of a bias, its own."""
    if use.op.name == "linear" and use.input == 2:
        return _row_sums(ct)
    return _row_sums(ct) * _row_sums(use.inputs[0])


def _row_sums(x: Tensor) -> Tensor:
    """The sum of squares of each row."""
    squares = apply(OPS["square"].id, (apply(OPS["absolute"].id, (x,)),))
    return _sum(squares, tuple(range(1, x.ndim)))


def _sum(x: Tensor, axes: tuple) -> Tensor:
    return apply(OPS["sum"].id, (x,), (0, *axes))


def _lines(x: Tensor) -> Tensor:
    """(n, lines of an example, last axis)."""
    n, last = x.shape[0], x.shape[-1]
    return _reshape(x, (n, x.size // (n * last) if n * last else 0, last))


def _turned(x: Tensor) -> Tensor:
    return apply(OPS["transpose"].id, (x,), (0, 2, 1))


def _reshape(x: Tensor, shape: tuple) -> Tensor:
    return apply(OPS["reshape"].id, (x,), shape)
