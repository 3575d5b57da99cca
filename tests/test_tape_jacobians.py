"""Jacobians, batch Jacobians and per-example gradients of a tape."""

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import nn, tape
from tapegrad.engine import operands, select

X = np.array([0.5, -1.0, 2.0])


def f(x):
    return tnp.outer(tnp.sin(x), x)


def test_jacobian_is_that_of_the_transform(backend):
    with tape() as t:
        x = t.watch(tg.tensor(X))
        y = f(x)
    got = t.jacobian(y, x)
    assert got.shape == (3, 3, 3)
    np.testing.assert_allclose(got, tg.jacrev(f)(X))
    with pytest.raises(tg.TapeError, match="swept already"):
        t.jacobian(y, x)


def test_jacobian_of_sources_in_a_nesting(backend):
    with tape(persistent=True) as t:
        x, z, u = (t.watch(tg.tensor(v)) for v in (X, 2.0, X))
        h = x * z
        y = h[:2] * x.sum()
    got = t.jacobian(y, {"x": x, "z": [z], "h": h, "u": u})
    np.testing.assert_allclose(got["h"], np.eye(2, 3) * X.sum())
    np.testing.assert_allclose(got["z"][0], X[:2] * X.sum())
    np.testing.assert_allclose(got["x"], 2 * np.eye(2, 3) * X.sum() + 2 * X[:2, None])
    assert got["u"] is None
    np.testing.assert_array_equal(t.jacobian(y, u, unconnected_gradients="zero"), np.zeros((2, 3)))


def test_jacobian_inside_a_tape_is_recorded(backend):
    with tape() as outer:
        x = outer.watch(tg.tensor(X))
        with tape() as t:
            t.watch(x)
            y = x * x * x
        norm = (t.jacobian(y, x) ** 2).sum()
    np.testing.assert_allclose(outer.gradient(norm, x), 36 * X**3)


@pytest.mark.parametrize("sizes", [(4, 3), (3, 5), (3, 0)])
def test_batch_jacobian_is_the_blocks_of_the_jacobian(sizes, backend, rng):
    w = rng.normal(size=sizes)
    with tape(persistent=True) as t:
        x = t.watch(tg.tensor(rng.normal(size=(6, sizes[0]))))
        y = tnp.tanh(x @ w)
    got = t.batch_jacobian(y, x)
    whole = t.jacobian(y, x).numpy()
    np.testing.assert_allclose(got, whole[np.arange(6), :, np.arange(6)], atol=1e-15)


def test_batch_jacobian_of_what_is_not_connected(backend):
    with tape(persistent=True) as t:
        x, u = t.watch(tg.tensor(np.ones((4, 2)))), t.watch(tg.tensor(np.ones((4, 3))))
        y = tnp.sin(x)
    assert t.batch_jacobian(y, u) is None
    zeros = t.batch_jacobian(y, u, unconnected_gradients="zero")
    np.testing.assert_array_equal(zeros, np.zeros((4, 2, 3)))


# --- per example ------------------------------------------------------------------------------

N = 5


def dense(rng):
    p = {"w": rng.normal(size=(3, 4)), "b": rng.normal(size=4), "v": rng.normal(size=4)}
    return p, lambda p, x: tnp.tanh(x @ p["w"] + p["b"]) @ p["v"]


def layers(rng):
    tg.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4, dtype="f8"), nn.ReLU(), nn.Linear(4, 2, dtype="f8"))
    labels = np.array([0, 1, 1, 0, 1])
    return (
        list(model.parameters()),
        lambda p, x: nn.cross_entropy(model(x), labels, reduction="none"),
    )


def transposed(rng):
    p = {"w": rng.normal(size=(4, 3)), "s": 0.5}
    return p, lambda p, x: (tg.softmax(x @ (p["w"] * p["s"]).T, axis=1) ** 2).sum(axis=1)


def shared_twice(rng):
    p = {"w": rng.normal(size=(3, 3))}
    return p, lambda p, x: (tnp.sin(x @ p["w"]) @ p["w"]).mean(axis=1)


def sequences(rng):
    p = {"w": rng.normal(size=(1, 3)), "b": rng.normal(size=1), "g": rng.normal(size=(1, 1, 1))}
    return p, lambda p, x: (tg.linear(x.reshape(N, 1, 3), p["w"], p["b"]) * p["g"]).sum((1, 2))


def mixing(rng):
    p = {"w": rng.normal(size=(3, 4)), "g": rng.normal(size=4)}

    def normed(p, x):
        h = x @ p["w"]
        return ((h - h.mean(axis=0)) * p["g"]).sum(axis=1)

    return p, normed


def source_of_rows(rng):
    p = {"each": rng.normal(size=(N, 3)), "w": rng.normal(size=3)}
    return p, lambda p, x: (x * p["each"]) @ p["w"]


def repeated(rng):
    p = {"b": rng.normal(size=3), "c": rng.normal(size=(1, 3))}
    return (
        p,
        lambda p, x: (
            (x * tnp.broadcast_to(p["b"], x.shape)).sum(1) + tnp.average(x, 1, p["c"] + 0 * x)
        ),
    )


def running(rng):
    p = {"w": rng.normal(size=(3, 4))}
    return p, lambda p, x: tnp.cumprod(x @ p["w"], axis=1).sum(axis=1)


def written(rng):
    p = {"w": rng.normal(size=3), "b": rng.normal(size=3)}

    def columns(p, x):
        y = x * p["b"]
        y[:, 1] = x @ p["w"]
        y[:, 2] = 0.5
        return (y * y).sum(axis=1)

    return p, columns


MODELS = (
    dense, layers, transposed, shared_twice, sequences, mixing, source_of_rows, repeated, running,
    written,
)  # fmt: skip


def losses(model, rng):
    """(tape, losses, parameters) of a model on N examples."""
    p, f = model(rng)
    x = rng.normal(size=(N, 3))
    t = tape(persistent=True)
    with t:
        found = []
        structure = tg.tree.flatten(p, found)
        p = structure(
            iter([t.watch(v if isinstance(v, tg.Tensor) else tg.tensor(v)) for v in found])
        )
        y = f(p, tg.tensor(x))
    return t, y, p


@pytest.mark.parametrize("model", MODELS)
def test_per_example_gradients_are_the_jacobian(model, backend, rng):
    t, y, p = losses(model, rng)
    got, want = [], []
    tg.tree.flatten(t.per_example(y, p), got)
    tg.tree.flatten(t.jacobian(y, p, unconnected_gradients="zero"), want)
    for g, w in zip(got, want):
        np.testing.assert_allclose(g, w, rtol=1e-12, atol=1e-14)
    norms = np.sqrt(sum((w.numpy() ** 2).reshape(N, -1).sum(1) for w in want))
    np.testing.assert_allclose(t.per_example_norms(y, p), norms, rtol=1e-12)


def test_per_example_gradients_may_be_the_first_that_go_in_blocks(backend, rng, monkeypatch):
    monkeypatch.setattr(select, "_blocks", None)  # as in a new process
    monkeypatch.setattr(operands, "known", operands.known)
    t, y, p = losses(dense, rng)
    got = []
    tg.tree.flatten(t.per_example(y, p), got)
    assert [g.shape[0] for g in got] == [N] * len(got)


@pytest.mark.parametrize(
    ("model", "loops"),
    [
        (dense, 0),
        (layers, 0),
        (transposed, 0),
        (shared_twice, 0),
        (repeated, 0),
        (running, 0),
        (mixing, 1),
        (source_of_rows, 1),
    ],
)
def test_examples_that_do_not_mix_take_no_jacobian(model, loops, backend, rng, monkeypatch):
    from tapegrad.transforms import per_example

    taken = []
    whole = per_example.jacobian_of
    monkeypatch.setattr(per_example, "jacobian_of", lambda *args: taken.append(1) or whole(*args))
    t, y, p = losses(model, rng)
    t.per_example(y, p)
    assert len(taken) == loops


BAD = {
    "per_example of a scalar": (lambda t, y: t.per_example(y.sum(), y), "need a vector"),
    "norms of a matrix": (lambda t, y: t.per_example_norms(y, y), "need a vector"),
    "batch_jacobian of other rows": (
        lambda t, y: t.batch_jacobian(y, tg.tensor(np.ones(2))), "need one first axis"
    ),
    "unconnected": (
        lambda t, y: t.jacobian(y, y, unconnected_gradients="ones"), "choose 'none' or 'zero'"
    ),
    "a source that is no Tensor": (lambda t, y: t.jacobian(y, X), "not a Tensor"),
    "a target that is no Tensor": (lambda t, y: t.jacobian(X, y), "expected a Tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_raises(name, backend):
    call, message = BAD[name]
    with tape() as t:
        y = f(t.watch(tg.tensor(X)))
    with pytest.raises((ValueError, TypeError), match=message):
        call(t, y)
