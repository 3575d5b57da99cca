"""Clipping gradients, by norm and by value."""

import numpy as np
import pytest
from refusing import refuses

import tapegrad as tg
from tapegrad import nn


def with_gradients(*gradients):
    params = [tg.parameter(np.zeros_like(g)) for g in gradients]
    for p, g in zip(params, gradients):
        p.grad = np.array(g)
    return params


def test_clip_grad_norm_scales_all_gradients_together():
    params = with_gradients([3.0, 0.0], [[4.0]])
    assert nn.clip_grad_norm_(params, 1.0).item() == pytest.approx(5.0)
    np.testing.assert_allclose(params[0].grad.numpy(), [0.6, 0], rtol=1e-6)
    np.testing.assert_allclose(params[1].grad.numpy(), [[0.8]], rtol=1e-6)
    assert nn.clip_grad_norm_(params, 10.0).item() == pytest.approx(1.0)
    np.testing.assert_allclose(params[0].grad.numpy(), [0.6, 0], rtol=1e-6)


def test_clip_grad_norm_can_refuse_a_norm_that_is_not_finite():
    params = with_gradients([np.nan, 1.0], [2.0])
    with pytest.raises(FloatingPointError, match="nan"):
        nn.clip_grad_norm_(params, 1.0, error_if_nonfinite=True)
    np.testing.assert_array_equal(params[1].grad.numpy(), [2.0])


@pytest.mark.parametrize("norm_type", [1, 2.0, 3, np.inf])
def test_norms_of_complex_gradients_are_of_their_absolute_values(norm_type, backend):
    z, x = np.array([3 + 4j, -1j, 0]), np.array([[2.0, -0.5]])
    for dtype, rtol in (("c16", 1e-12), ("c8", 1e-6)):
        ours = with_gradients(z.astype(dtype), x)
        sizes = with_gradients(np.array([5.0, 1, 0]), x)
        norm = nn.clip_grad_norm_(ours, 1.5, norm_type)
        want = nn.clip_grad_norm_(sizes, 1.5, norm_type)
        assert norm.dtype == np.float64
        np.testing.assert_allclose(norm, want, rtol=rtol)
        scale = sizes[0].grad.numpy()[0] / 5
        np.testing.assert_allclose(ours[0].grad, scale * z, rtol=rtol)
        np.testing.assert_allclose(ours[1].grad, sizes[1].grad, rtol=rtol)


def test_clip_grad_value_of_complex_gradients_changes_none():
    params = with_gradients([5.0], [3 + 4j])
    with pytest.raises(tg.DTypeError, match=r"gradient 1, of shape \(1,\), is complex128"):
        nn.clip_grad_value_(params, 1.0)
    assert [p.grad.item() for p in params] == [5, 3 + 4j]


def test_clip_grad_value_clips_elements():
    (p,) = with_gradients([-3.0, 0.5, 2.0])
    nn.clip_grad_value_([p], 1.0)
    np.testing.assert_array_equal(p.grad.numpy(), [-1, 0.5, 1])


@pytest.mark.parametrize("norm_type", [1, 2.0, np.inf])
def test_clipping_objects_do_what_the_functions_do(norm_type):
    gradients = [3.0, -0.5], [[4.0]]
    ours, theirs = with_gradients(*gradients), with_gradients(*gradients)
    norm, value = nn.ClipGradNorm(1.5, norm_type), nn.ClipGradValue(0.75)
    before = norm(ours)
    assert before.item() == nn.clip_grad_norm_(theirs, 1.5, norm_type).item()
    value(ours)
    nn.clip_grad_value_(theirs, 0.75)
    for p, q in zip(ours, theirs):
        np.testing.assert_array_equal(p.grad.numpy(), q.grad.numpy())
    assert repr(norm) == f"ClipGradNorm(max_norm=1.5, norm_type={norm_type})"
    assert repr(value) == "ClipGradValue(clip_value=0.75)"
    norm.max_norm = -1.0
    with pytest.raises(ValueError, match=r"max_norm=-1\.0"):
        norm(ours)


REFUSED = [
    (lambda: nn.ClipGradNorm(-1.0), ValueError, "ClipGradNorm: max_norm=-1.0"),
    (lambda: nn.ClipGradValue("1"), ValueError, "ClipGradValue: clip_value='1'"),
    (lambda: nn.clip_grad_norm_([], -1.0), ValueError, "max_norm=-1.0"),
    (lambda: nn.clip_grad_norm_([], "1"), ValueError, "max_norm='1'"),
    (lambda: nn.clip_grad_norm_([], 1.0, norm_type=0), ValueError, "norm_type=0"),
    (lambda: nn.clip_grad_norm_([], 1.0, norm_type="inf"), ValueError, "norm_type='inf'"),
    (lambda: nn.clip_grad_norm_([np.ones(2)], 1.0), TypeError, "got ndarray"),
    (lambda: nn.clip_grad_norm_(None, 1.0), TypeError, "got NoneType; give model.parameters"),
    (lambda: nn.clip_grad_value_(nn.ReLU(), 1.0), TypeError, "got ReLU; give model.parameters"),
    (lambda: nn.clip_grad_value_([], -1.0), ValueError, "clip_value=-1.0"),
]


test_bad_input_is_refused_with_a_reason = refuses(REFUSED)
