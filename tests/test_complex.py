"""Derivatives with respect to complex numbers: docs/complex.md's convention, which is JAX's."""

from operator import attrgetter

import numpy as np
import pytest
from cases import DIFFERENTIABLE, examples, run
from directional import check

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import tape
from tapegrad.errors import DTypeError


def complex_operands(op, rng):
    """The row's examples, their numbers moved off the real axis."""
    for inputs, params in examples(op, "f8", rng, [(), (2, 3)]):
        yield [off_axis(x, rng) for x in inputs], params


def off_axis(x, rng):
    return x + 1j * rng.uniform(0.1, 0.5, x.shape) if x.dtype.kind == "f" else x


def takes_complex(op):
    """Whether the row has values for complex operands; rows of NumPy's own may refuse."""
    inputs, params = next(complex_operands(op, np.random.default_rng(0)))
    try:
        with np.errstate(all="ignore"):
            op.numpy(*inputs, *params)
    except (TypeError, np.linalg.LinAlgError):
        return False
    return op.complex


# Of rows that give eigenvectors or singular vectors, whose phases are arbitrary, test_linalg.py
# checks what does not depend on them.
PHASED = {"eig", "eigh", "svd"}
COMPLEX = [op for op in DIFFERENTIABLE if takes_complex(op) and op.name not in PHASED]


@pytest.mark.parametrize("op", COMPLEX, ids=attrgetter("name"))
def test_rows_have_the_derivatives_of_directional_differences(op, backend, rng):
    for inputs, params in complex_operands(op, rng):
        active = [i for i, x in enumerate(inputs) if x.dtype.kind == "c"]
        if not active or not all(x.size for x in inputs):
            continue

        def f(*xs, inputs=inputs, params=params, active=active):
            values = dict(zip(active, xs))
            return run(op, *[values.get(i, x) for i, x in enumerate(inputs)], params=params)

        check(f, [inputs[i] for i in active], rng)


COMPOSITES = {
    "angle": (tnp.angle, ["z"]),
    "angle in degrees": (lambda z: tnp.angle(z, deg=True), ["z"]),
    "sign": (tnp.sign, ["z"]),
    "real of a real array": (tnp.real, ["x"]),
    "imag of a real array": (lambda x: tnp.imag(x) + x, ["x"]),
    "conj": (lambda z: z.conj() * z, ["z"]),
    "attributes": (lambda z: z.real * z.imag, ["z"]),
    "abs": (abs, ["z"]),
    "real times complex": (lambda x, z: x * z + x, ["x", "z"]),
    "a complex number": (lambda x: x * (2 - 1j), ["x"]),
    "power": (lambda z: z**3 + z**0.5 + z**-1.5, ["z"]),
    "to a complex power": (lambda x, z: x**z, ["x", "z"]),
    "matmul": (lambda x, z: x @ z.mT, ["x", "z"]),
    "einsum": (lambda x, z: tnp.einsum("ij,kj->ik", x, z), ["x", "z"]),
    "vdot": (tnp.vdot, ["z", "z"]),
    "mean, var and std": (lambda z: [z.mean(), z.var(0), z.std(1)], ["z"]),
    "casts": (lambda x: x.astype("c16") ** 2, ["x"]),
    "stack": (lambda x, z: tnp.stack([x, z]), ["x", "z"]),
    "indexing": (lambda z: z[1:, ::2], ["z"]),
    "where": (lambda x, z: tnp.where(x.numpy() > 1.5, z, x), ["x", "z"]),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_functions_have_the_derivatives_of_directional_differences(name, backend, rng):
    f, operands = COMPOSITES[name]
    x, z = rng.uniform(1, 2, (2, 3)), rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3))
    check(f, [{"x": x, "z": z}[letter] for letter in operands], rng)


# A real function's gradient has the change of the function as Re(gradient * dz); that of a
# holomorphic one is its derivative.
KNOWN = {
    "|z|^2": (lambda z: (z * z.conj()).real, lambda z: 2 * z.conj()),
    "|z|": (abs, lambda z: z.conj() / abs(z)),
    "real": (lambda z: z.real, lambda z: 1 + 0 * z),
    "imag": (lambda z: z.imag, lambda z: -1j + 0 * z),
    "real of the square": (lambda z: (z * z).real, lambda z: 2 * z),
    "exp, holomorphic": (tnp.exp, np.exp),
    "cube, holomorphic": (lambda z: z**3, lambda z: 3 * z**2),
    "conj": (lambda z: z.conj(), lambda z: 1 + 0 * z),
}


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("dtype", ["c8", "c16"])
def test_gradients_follow_the_convention(name, dtype, backend, rng):
    f, want = KNOWN[name]
    z = (rng.normal(size=5) + 1j * rng.normal(size=5)).astype(dtype)
    with tape() as t:
        y = f(t.watch(z_ := tg.tensor(z)))
    g = t.gradient(y, z_)
    assert g.dtype == z.dtype
    np.testing.assert_allclose(g, want(z), rtol=1e-5 if dtype == "c8" else 1e-12)


@pytest.mark.parametrize("f", [abs, tnp.sign, tnp.angle], ids=["abs", "sign", "angle"])
def test_at_zero_there_is_no_direction(f, backend):
    with tape() as t:
        z = t.watch(tg.tensor(np.zeros(2, complex)))
        y = f(z)
    assert not t.gradient(y, z).numpy().any()


@pytest.mark.parametrize("f", [tg.sigmoid, tg.relu, tg.erf, tg.gelu, tg.softplus])
def test_functions_of_real_numbers_refuse_complex_ones(f, backend):
    with pytest.raises(DTypeError, match="complex operands are not supported"):
        f(tg.tensor([1j]))


def test_one_step_of_descent_on_complex_numbers_goes_down(backend):
    with tape() as t:
        z = t.watch(tg.tensor([1 + 2j, -3 + 0.5j]))
        loss = (abs(z - (0.5 - 1j)) ** 2).sum()
    step = z - 0.1 * t.gradient(loss, z).conj()
    assert (abs(step - (0.5 - 1j)) ** 2).sum().item() < 0.7 * loss.item()
