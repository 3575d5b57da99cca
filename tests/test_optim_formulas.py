"""What each optimizer computes: by hand, as PyTorch does, and the same on both engines."""

import numpy as np
import pytest
from optim_rules import SHAPES, every_rule, give_gradients, make, values

import tapegrad as tg
from tapegrad import optim, tape


def test_sgd_with_momentum_by_hand():
    (p,) = make([()], "f8")
    p.assign(1.0)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5, dampening=0.2, weight_decay=0.01)
    p.grad = 2.0
    optimizer.step()
    v = 2 + 0.01 * 1
    want = 1 - 0.1 * v
    assert p.item() == pytest.approx(want, rel=1e-15)
    optimizer.step()
    v = 0.5 * v + 0.8 * (2 + 0.01 * want)
    assert p.item() == pytest.approx(want - 0.1 * v, rel=1e-15)


def test_adams_first_step_is_the_learning_rate():
    (p,) = make([(3,)], "f8")
    p.assign([1.0, 2.0, 3.0])
    p.grad = np.array([1e-3, -5.0, 400.0])
    optim.Adam([p], lr=0.1).step()
    np.testing.assert_allclose(p.numpy(), [0.9, 2.1, 2.9], rtol=1e-5)


def test_adamw_decays_without_a_gradient_and_adam_does_not():
    (p, q) = make([(2,), (2,)], "f8")
    before = values([p, q])
    p.grad, q.grad = np.zeros(2), np.zeros(2)
    optim.AdamW([p], lr=0.1, weight_decay=0.5).step()
    optim.Adam([q], lr=0.1).step()
    np.testing.assert_allclose(p.numpy(), before[0] * 0.95, rtol=1e-15)
    np.testing.assert_array_equal(q.numpy(), before[1])


@every_rule
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_steps_agree_with_pytorch(rule, options, dtype):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    params = make(dtype=dtype)
    theirs = [torch.tensor(v, requires_grad=True) for v in values(params)]
    ours = rule(params, **options)
    reference = getattr(torch.optim, rule.__name__)(theirs, **options)
    for k in range(5):
        give_gradients(params, k)
        for p, q in zip(params, theirs):
            q.grad = torch.tensor(np.array(p.grad.numpy()))
        ours.step()
        reference.step()
    rtol = 2e-5 if dtype == "f4" else 1e-12
    for p, q in zip(params, theirs):
        np.testing.assert_allclose(p.numpy(), q.detach().numpy(), rtol=rtol, atol=rtol)


@every_rule
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_complex_parameter_is_as_two_real_ones(rule, options, dtype, backend):
    rtol = 1e-5 if dtype == "f4" else 1e-13
    xs, ys = make(dtype=dtype), make(SHAPES[::-1], dtype)[::-1]
    zs = [tg.parameter(x.numpy() + 1j * y.numpy()) for x, y in zip(xs, ys)]
    of_real, of_complex = rule(xs + ys, **options), rule(zs, **options)
    for k in range(6):
        give_gradients(xs, k)
        give_gradients(ys, 10 + k)
        for x, y, z in zip(xs, ys, zs):
            z.grad = x.grad.numpy() - 1j * y.grad.numpy()  # docs/complex.md
        if k == 3:
            saved = of_complex.state_dict()
            of_complex = rule(zs, **options)
            of_complex.load_state_dict(saved)
        of_real.step()
        of_complex.step()
        for x, y, z in zip(xs, ys, zs):
            np.testing.assert_allclose(z.numpy().real, x.numpy(), rtol=rtol, atol=rtol)
            np.testing.assert_allclose(z.numpy().imag, y.numpy(), rtol=rtol, atol=rtol)


@every_rule
def test_complex_parameters_go_downhill(rule, options, backend):
    z = tg.parameter(np.array([1 + 1j, -1 - 1j]))
    optimizer = rule([z], **options)
    for _ in range(60):
        with tape():
            loss = (abs(z) ** 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sizes = np.abs([z.numpy().real, z.numpy().imag])
    assert (sizes > 1).all() if options.get("maximize") else (sizes < 1).all()


@every_rule
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_the_engines_agree(rule, options, dtype):
    if not tg.info()["native"]:
        pytest.skip("the C core is not installed")
    found = {}
    for engine in "numpy", "native":
        with tg.use_backend(engine):
            params = make(dtype=dtype)
            optimizer = rule(params, **options)
            for k in range(6):
                give_gradients(params, k)
                optimizer.step()
            found[engine] = values(params)
    rtol = 1e-5 if dtype == "f4" else 1e-13
    for a, b in zip(found["numpy"], found["native"]):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


@every_rule
def test_an_optimizer_may_change_engines_between_steps(rule, options):
    if not tg.info()["native"]:
        pytest.skip("the C core is not installed")
    params = make()
    twins = make()
    optimizer, steady = rule(params, **options), rule(twins, **options)
    for k, engine in enumerate(["native", "numpy", "numpy", "native"]):
        with tg.use_backend(engine):
            give_gradients(params, k)
            optimizer.step()
        give_gradients(twins, k)
        steady.step()
    for p, q in zip(params, twins):
        np.testing.assert_allclose(p.numpy(), q.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize(
    ("rule", "options"),
    [(optim.SGD, {"momentum": 1e-3}), (optim.Adam, {"betas": (1e-3, 1e-3), "eps": 1e-3})],
    ids=["SGD", "Adam"],
)
def test_moments_that_nothing_feeds_reach_0(rule, options, dtype, backend):
    """And are never subnormal, but in float16."""
    (p,) = make([(5,)], dtype)
    optimizer = rule([p], **options)
    p.grad = np.array([1, -1, 0.3, -2, 0], dtype)
    found = []
    for _ in range(110):
        optimizer.step()
        p.grad = np.zeros(5, dtype)
        state = optimizer.state_dict()["state"][0]
        found += [np.abs(state[name]) for name in state if name != "step"]
    found = np.array(found)
    is_subnormal = (found > 0) & (found < np.finfo(dtype).smallest_normal)
    assert is_subnormal.any() == (dtype == "f2")
    assert found[0].any()
    assert not found[-1].any()


@pytest.mark.parametrize("dtype", ["f2", "longdouble"])
def test_dtypes_without_kernels_are_updated_too(dtype):
    (p,) = make([(3,)], dtype)
    before = p.numpy().copy()
    p.grad = np.ones(3, dtype)
    optim.SGD([p], lr=0.5).step()
    np.testing.assert_array_equal(p.numpy(), before - p.dtype.type(0.5))


def test_gradients_of_any_layout_are_read_right():
    (p,) = make([(3, 4)], "f8")
    before = p.numpy().copy()
    with tape():
        loss = (p.T * np.arange(12.0).reshape(4, 3)).sum()
    loss.backward()
    optim.SGD([p], lr=1.0).step()
    np.testing.assert_array_equal(p.numpy(), before - np.arange(12.0).reshape(4, 3).T)
