"""Bad input: each row a call, the exception it raises, and part of what that says."""

import re

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import errors, nn, optim, tape

pytestmark = pytest.mark.usefixtures("backend")


def f4(*shape):
    return tg.tensor(np.ones(shape, "f4"))


def recorded():
    w = tg.parameter(np.ones((2, 2)))
    with tape() as t:
        y = (w * w).sum()
    return t, w, y


BAD_CALLS = [
    # shapes
    (lambda: f4(2, 3) + f4(4), errors.ShapeError, r"add of \(2, 3\), \(4,\)"),
    (lambda: f4(2, 3) @ f4(2, 3), errors.ShapeError, r"matmul of \(2, 3\), \(2, 3\)"),
    (lambda: f4(2) @ f4(), errors.ShapeError, "matmul"),
    (lambda: f4(0, 3).max(axis=0), ValueError, r"^max of \(0, 3\): (an empty|zero-size) array"),
    (lambda: tg.linear(f4(2, 3), f4(5, 4)), errors.ShapeError, r"weight \(out, in\)"),
    (lambda: f4(2, 3).reshape(5), errors.ShapeError, r"cannot fit shape \(2, 3\) into \(5,\)"),
    (lambda: f4(2, 3).reshape(-6), errors.ShapeError, r"cannot fit shape \(2, 3\) into \(-6,\)"),
    (lambda: f4(1).reshape((1,) * 65), errors.ShapeError, "at most 64 axes|dimension .* 64"),
    (lambda: f4(2, 3).reshape(-1, 4), errors.ShapeError, r"fit shape \(2, 3\)"),
    (lambda: f4(2, 3).reshape(-1, -1), errors.ShapeError, "fit shape"),
    (lambda: f4(2, 3).reshape("x"), TypeError, "must be integers, got 'x'"),
    (lambda: tnp.broadcast_to(f4(3), (2, 2)), errors.ShapeError, "broadcast_to"),
    (lambda: tnp.concatenate([f4(2, 3), f4(2, 4)]), errors.ShapeError, "concatenate"),
    (lambda: tnp.concatenate([]), errors.ShapeError, "at least one array"),
    (lambda: tnp.concatenate([f4(), f4()]), errors.ShapeError, "use stack"),
    (lambda: tnp.stack([f4(2), f4(3)]), errors.ShapeError, r"\(2,\) and \(3,\)"),
    (lambda: tnp.split(f4(5), 2), errors.ShapeError, "length 5 does not divide into 2"),
    (lambda: tnp.squeeze(f4(2, 3), 1), errors.ShapeError, "axis 1 has length 3"),
    (lambda: tnp.pad(f4(2), -1), ValueError, "integers >= 0"),
    (lambda: tnp.pad(f4(2), 1, mode="edges"), ValueError, "mode 'edges'"),
    (lambda: tnp.pad(f4(0), 1, mode="mean"), ValueError, "'mean' has nothing to go by"),
    (lambda: tnp.tile(f4(2), -1), errors.ShapeError, ">= 0"),
    (lambda: tnp.repeat(f4(2), [1, 2, 3]), errors.ShapeError, "counts for an axis of length 2"),
    (lambda: tnp.einsum("ij,jk", f4(2, 3)), errors.ShapeError, "names 2 operands, got 1"),
    (lambda: tnp.einsum("ij", f4(2)), errors.ShapeError, "does not fit"),
    (lambda: tnp.einsum("i,i", f4(2), f4(3)), errors.ShapeError, "lengths 2 and 3"),
    (lambda: tnp.einsum("i->ij", f4(2)), errors.ShapeError, "invents a label"),
    (lambda: tnp.tensordot(f4(2, 3), f4(2, 3), 1), errors.ShapeError, "differ"),
    (lambda: tnp.where(np.ones(2, bool), f4(3), f4(3)), errors.ShapeError, "where"),
    (lambda: tnp.broadcast_arrays(f4(2), f4(3)), errors.ShapeError, "do not broadcast"),
    # axes
    (lambda: f4(2, 3).sum(2), errors.AxisError, "sum: axis 2 is out of bounds"),
    (lambda: f4(2, 3).mean(-3), errors.AxisError, "axis -3"),
    (lambda: f4(2, 3).max((0, 0)), errors.ShapeError, "comes twice"),
    (lambda: f4(2, 3).sum((0, -2)), errors.ShapeError, "comes twice"),
    (lambda: f4(2, 3).argmax(5), errors.AxisError, "argmax"),
    (lambda: f4(2, 3).cumsum(2), errors.AxisError, "cumsum"),
    (lambda: f4(2, 3).sum("0"), TypeError, "must be an integer, got str"),
    (lambda: f4(2, 3).sum(1.5), TypeError, "must be an integer, got float"),
    (lambda: (f4(2, 3).sum(1), f4(2, 3).sum(1.0)), TypeError, "must be an integer, got float"),
    (lambda: f4(2, 3).sum({}), TypeError, "must be an integer, got dict"),
    (lambda: f4(2, 3).transpose(0), errors.ShapeError, "1 axes given"),
    (lambda: f4(2, 3).transpose(0, 2), errors.AxisError, "transpose"),
    (lambda: tg.softmax(f4(2, 3), axis=2), errors.AxisError, "softmax"),
    (lambda: tnp.expand_dims(f4(2), 3), errors.AxisError, "expand_dims"),
    (lambda: f4(0).max(), ValueError, "max"),
    (lambda: f4(0, 0).min(1), ValueError, "min"),
    (lambda: tg.logsumexp(f4(0, 0), 0), ValueError, "logsumexp"),
    (lambda: f4(3, 0).argmin(1), ValueError, "argmin"),
    # indices
    (lambda: f4(2, 3)[2], IndexError, "index 2 is out of bounds for axis 0 with size 2"),
    (lambda: f4(2, 3)[0, -4], IndexError, "index -4"),
    (lambda: f4(2, 3)[0, 0, 0], IndexError, "too many indices"),
    (lambda: f4()[0], IndexError, "too many indices"),
    (lambda: f4(2, 3)[..., ...], IndexError, "single ellipsis"),
    (lambda: f4(2, 3)[1.0], IndexError, "got float"),
    (lambda: f4(2, 3)["a"], IndexError, "only integers"),
    (lambda: f4(2, 3)[[0, 5]], IndexError, "index 5 is out of bounds"),
    (lambda: f4(2, 3)[[0, 1], [0, 3]], IndexError, "index 3 is out of bounds for axis 1"),
    (lambda: f4(2, 3)[[0, 1], [0, 1, 2]], IndexError, "do not broadcast"),
    (lambda: f4(2, 3)[np.ones(3, bool)], IndexError, "does not match"),
    (lambda: tnp.take(f4(3), [0.5]), IndexError, "must be integers"),
    (lambda: tnp.take(f4(3), 3), IndexError, "out of bounds"),
    (lambda: tnp.take_along_axis(f4(3, 2), np.array([0]), 0), errors.ShapeError, "1 axes"),
    (lambda: f4(2, 3).__setitem__(5, 0), IndexError, "out of bounds"),
    (lambda: f4(2, 3).__setitem__(0, np.ones(2)), errors.ShapeError, r"\(2,\)"),
    # dtypes
    (lambda: tg.tensor(["a"]), errors.DTypeError, "<U1"),
    (lambda: tg.tensor([object()]), errors.DTypeError, "object"),
    (lambda: tg.tensor([[1], [1, 2]]), errors.ShapeError, "not a rectangular array"),
    (lambda: tg.parameter([1, 2]), errors.DTypeError, "dtype='f4'"),
    (lambda: tg.tensor([1, 2], requires_grad=True), errors.DTypeError, "has no derivative"),
    (lambda: tape().watch(tg.tensor([1])), errors.DTypeError, "astype"),
    (lambda: f4(2).astype("U3"), errors.DTypeError, "U3"),
    (lambda: tg.tensor([True]) - tg.tensor([True]), TypeError, "subtract"),
    (lambda: tg.tensor([1.0], "bogus"), errors.DTypeError, "dtype='bogus'"),
    (lambda: tg.tensor([np.nan], "i4"), errors.ShapeError, "not an array of int32"),
    (lambda: tnp.add(f4(2), None), errors.DTypeError, "add of NoneType: .* dtype object"),
    (lambda: f4(2) + np.array(["a", "b"]), errors.DTypeError, "add of ndarray: .* <U1"),
    (lambda: f4(2) + None, TypeError, "unsupported operand"),
    (lambda: object() * f4(2), TypeError, "unsupported operand"),
    (lambda: f4(2) ** None, TypeError, "unsupported operand"),
    (lambda: f4(2) & None, TypeError, "unsupported operand"),
    (lambda: f4(2) < None, TypeError, "not supported between"),
    (lambda: f"{f4(2):.2f}", TypeError, r"format '.2f' of a Tensor of shape \(2,\)"),
    # values out of a Tensor
    (lambda: f4(2).item(), errors.ShapeError, r"exactly one value, got shape \(2,\)"),
    (lambda: float(f4(2)), errors.ShapeError, "exactly one"),
    (lambda: bool(f4(2)), ValueError, "ambiguous"),
    (lambda: len(f4()), TypeError, "0-d"),
    (lambda: iter(f4()), TypeError, "0-d"),
    (lambda: [1, 2][f4()], TypeError, "cannot be an index"),
    (lambda: f4() * "a", TypeError, "of float32 cannot be an index, nor repeat a str"),
    (lambda: tg.Tensor(3), TypeError, "tapegrad.tensor"),
    # arguments NumPy has and Tensors do not
    (lambda: tnp.sum(f4(2), out=tg.parameter(0.0)), TypeError, "use p.assign"),
    (lambda: tnp.sum(f4(2), out=[0.0]), TypeError, "give a Tensor or an ndarray"),
    (lambda: f4(2, 3).reshape(6, order="K"), ValueError, "order='K'; choose 'C' or 'F'"),
    (lambda: tg.gelu(f4(2), "fast"), ValueError, "'none' or 'tanh'"),
    (lambda: tg.elu(f4(2), [1.0, 2.0, 3.0]), errors.ShapeError, r"elu of \(2,\), \(3,\)"),
    (lambda: tg.leaky_relu(f4(2), "0.1"), errors.DTypeError, "leaky_relu: negative_slope='0.1'"),
    (lambda: tg.relu(f4(2), 3), TypeError, "positional argument"),
    (lambda: pow(f4(2), 2, 3), TypeError, "modulo"),
    # losses
    (lambda: tnp.matmul(f4(2), 3.0), errors.ShapeError, "matmul"),
    (lambda: cross_entropy(f4(2, 3), [0, 3]), IndexError, "3"),
    (lambda: cross_entropy(f4(2, 3), [0, -1]), IndexError, "-1"),
    # tapes
    (lambda: recorded()[0].gradient(np.ones(2), tg.tensor(1.0)), TypeError, "got ndarray"),
    (lambda: recorded()[0].gradient(tg.tensor(1.0), np.ones(2)), TypeError, "watch"),
    (lambda: recorded()[0].gradient(tg.tensor(1), tg.tensor(1.0)), errors.DTypeError, "int64"),
    (lambda: gradient_with(np.ones(3)), errors.ShapeError, r"need \(\)"),
    (lambda: gradient_with([1.0, 1.0]), errors.ShapeError, r"\(2,\); need \(\)"),
    (lambda: gradient_with(1j), errors.DTypeError, "complex128, which does not fit float64"),
    (lambda: recorded()[2].backward(1j), errors.DTypeError, "backward: gradient has dtype compl"),
    (lambda: recorded()[0].gradient(None, tg.tensor(1.0)), TypeError, "target is None, without"),
    (lambda: recorded()[0].gradient([], tg.tensor(1.0)), TypeError, r"target is \[\], without"),
    (lambda: jvp_with([1.0]), errors.ShapeError, r"need the structure \[\*\], got {'w'"),
    (lambda: use_backend("cuda"), errors.EngineError, "native, numpy"),
    (lambda: tg.set_num_threads(0), errors.EngineError, "positive integer"),
    (lambda: tg.parameter([1.0]).assign([1.0, 2.0]), errors.ShapeError, "cannot broadcast"),
    (lambda: tg.parameter([1.0]).assign([1j]), TypeError, "complex"),
    (lambda: tg.parameter([1.0]).__setitem__(0, 1j), errors.DTypeError, "complex128 does not fit"),
    (lambda: tg.parameter([1.0]).__setitem__(0, None), errors.DTypeError, "object does not fit"),
    (lambda: setitem_of_variable(), errors.TapegradError, "requires grad"),
]


def cross_entropy(logits, labels):
    from tapegrad.ops.table import OPS

    return tg.asarray(logits) if labels is None else run_row(OPS["cross_entropy"], logits, labels)


def run_row(op, *inputs):
    from tapegrad.engine.select import apply

    return apply(op.id, tuple(np.asarray(x) if isinstance(x, list) else x for x in inputs))


def gradient_with(cotangent):
    t, w, y = recorded()
    return t.gradient(y, w, cotangent)


def jvp_with(tangents):
    t, w, y = recorded()
    return t.jvp(y, [w], {"w": tangents})


def use_backend(name):
    return tg.use_backend(name)


def setitem_of_variable():
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    x[0] = 5.0


test_bad_input_raises = refuses(BAD_CALLS)


def test_a_failed_op_leaves_nothing_on_the_tape():
    w = tg.parameter(np.ones((2, 3)))
    with tape() as t:
        with pytest.raises(errors.ShapeError):
            w @ w
        y = (w * 2).sum()
    assert len(t) == 2
    np.testing.assert_array_equal(t.gradient(y, w), np.full((2, 3), 2.0))


def test_a_failed_assignment_changes_nothing():
    w = tg.parameter(np.ones(2))
    version = w.version
    with pytest.raises(errors.ShapeError):
        w.assign(np.ones(3))
    with pytest.raises(ValueError, match="broadcast"):
        w[:] = np.ones(3)
    np.testing.assert_array_equal(w, np.ones(2))
    assert w.version == version


WRITES = {
    "assign": lambda w: w.assign(0.0),
    "part": lambda w: w.__setitem__((0, 0), 5.0),
    "data": lambda w: setattr(w, "data", w.data - 1.0),
    "optimizer": lambda w: optim.SGD([w], lr=0.1).step(),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_stale_value_names_the_lines_that_recorded_and_wrote_it(write):
    w = tg.parameter(np.ones((2, 2)))
    w.grad = np.ones((2, 2))
    with tape(lines=True) as t:
        y = (w * w).sum()
    write(w)
    message = r"entry 0, multiply of \(2, 2\), \(2, 2\): .*recorded at {f}:\d+, written at {f}:\d+"
    with pytest.raises(errors.StaleValueError, match=message.format(f=re.escape(__file__))):
        t.gradient(y, w)


def test_a_stale_value_says_how_to_keep_lines():
    w = tg.parameter(np.ones((2, 2)))
    with tape() as t:
        y = (w * w).sum()
    w.assign(0.0)
    with pytest.raises(errors.StaleValueError, match=r"tape\(lines=True\), or TAPEGRAD_LINES=1"):
        t.gradient(y, w)


def test_every_exception_is_a_public_name():
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, Exception):
            assert getattr(tg, name) is kind
            assert name in tg.__all__


WITH_MASKS = {
    "tensor": tg.tensor,
    "asarray": tg.asarray,
    "parameter": tg.parameter,
    "operator": lambda x: f4() * x,
    "ufunc": lambda x: np.add(f4(), x),
    "function": tnp.sum,
    "list": lambda x: tg.tensor([list(f4(4)), x]),
    "tuple of lists": lambda x: f4() * ([x], [x]),
    "loss": lambda x: nn.mse_loss(f4(*x.shape), x),
    "labels": lambda x: nn.cross_entropy(f4(*x.shape, 3), x),
    "assign": lambda x: tg.parameter(np.ones(4)).assign(x),
    "item": lambda x: tg.parameter(np.ones(4)).__setitem__(slice(4), x),
    "primitive": lambda x: tg.primitive(lambda y: x)(f4()),
    "compiled argument": lambda x: tg.compile(lambda y: y[0] * 2.0)([x]),
    "compiled closure": lambda x: tg.compile(lambda y: y * x)(f4()),
    "epoch": lambda x: tg.compile(lambda y: y.sum()).epoch(x, batch_size=2),
}


@pytest.mark.parametrize("call", WITH_MASKS.values(), ids=WITH_MASKS)
def test_masked_arrays_are_refused(call):
    values = np.arange(4.0, dtype="f4")
    for mask in ([0, 1, 0, 0], np.ma.nomask):
        with pytest.raises(errors.UnsupportedError, match=r"masked array of shape \(4,\).*filled"):
            call(np.ma.masked_array(values, mask))


@pytest.mark.parametrize("call", WITH_MASKS.values(), ids=WITH_MASKS)
def test_other_kinds_of_ndarray_are_taken_for_their_values(call):
    class Kind(np.ndarray):
        pass

    values = np.arange(4.0, dtype="f4") if call is not WITH_MASKS["labels"] else np.zeros(4, int)
    found, expected = (np.asarray(call(x)) for x in (values.view(Kind), values))
    np.testing.assert_array_equal(found, expected)
