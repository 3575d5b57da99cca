"""Every entry of the registry of NumPy's functions: its examples' values and derivatives."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad import tape
from tapegrad.numpy import registry

_rng = np.random.default_rng(0)


def _draw(low, high, shape):
    return _rng.uniform(low, high, shape)


# The operands that examples name. Floating ones are differentiated, others are passed as they are.
OPERANDS = {
    "x": _draw(-2, 2, (3, 4)),
    "y": _draw(-2, 2, (3, 4)),
    "p": _draw(0.5, 2, (3, 4)),
    "q": _draw(0.5, 2, (3, 4)),
    "u": _draw(-0.9, 0.9, (3, 4)),
    "v": _draw(-2, 2, (4,)),
    "w": _draw(0.5, 2, (4,)),
    "s": np.float64(0.7),
    "A": _draw(-0.5, 0.5, (3, 3)) + 2 * np.eye(3),
    "B": _draw(-2, 2, (3, 2)),
    "t": np.sort(_draw(-2, 2, 6)),
    "m": _rng.integers(0, 2, (3, 4)).astype(bool),
    "i": _rng.integers(-3, 4, (3, 4)),
    "n": None,  # x with some nan, made from x below so that derivatives can be taken
}
HOLES = np.array([[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]], bool)

# NumPy's functions that no protocol passes on: only tapegrad.numpy has them for Tensors.
NOT_PASSED_ON = {"array", "asarray", "full", "require"}

EXAMPLES = [
    (name, text)
    for name, entry in registry.ENTRIES.items()
    for text in entry.examples
    if registry.numpys(name) is not None  # some are newer than this NumPy
]
each_example = pytest.mark.parametrize(("name", "text"), EXAMPLES, ids=[t for _, t in EXAMPLES])


def evaluate(text, module, operands):
    """The example's value, with functions of that module."""
    names = {**{k: getattr(module, k) for k in dir(module)}, **operands}
    if "n" in compile(text, "example", "eval").co_names:
        names["n"] = module.where(HOLES, np.nan, operands["x"])
    return eval(text, names)


def used(text):
    """Operands that the example names, floating ones first among equals."""
    names = set(compile(text, "example", "eval").co_names)
    names |= {"x"} if "n" in names else set()
    return {k: v for k, v in OPERANDS.items() if k in names and k != "n"}


def wrapped(operands):
    return {k: tg.tensor(v) if np.asarray(v).dtype.kind == "f" else v for k, v in operands.items()}


@each_example
def test_value_is_numpys(name, text, backend):
    operands = used(text)
    want = evaluate(text, np, operands)
    got = evaluate(text, tnp, wrapped(operands))
    assert isinstance(got, tg.Tensor), "an example gives one array"
    assert got.dtype == np.asarray(want).dtype
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-14)


@each_example
def test_numpys_own_function_gives_the_same(name, text, backend):
    if name in NOT_PASSED_ON:
        pytest.skip("numpy does not pass it on")
    operands = wrapped(used(text))
    got = evaluate(text, np, operands)
    assert isinstance(got, tg.Tensor)
    np.testing.assert_array_equal(got, evaluate(text, tnp, operands))


@each_example
def test_derivatives_are_right_to_second_order_in_both_modes(name, text, backend):
    operands = used(text)
    names = [k for k, v in operands.items() if np.asarray(v).dtype.kind == "f"]

    def f(*tensors):
        return evaluate(text, tnp, {**operands, **dict(zip(names, tensors))})

    tg.gradcheck(f, [operands[k] for k in names], order=2)


@each_example
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_gradients_have_their_sources_dtype(name, text, backend):
    operands = used(text)
    for dtype in ("f2", "f4"):
        xs = {
            k: tg.tensor(v, dtype) for k, v in operands.items() if np.asarray(v).dtype.kind == "f"
        }
        with tape() as t:
            t.watch(xs)
            try:
                y = evaluate(text, tnp, operands | xs)
            except TypeError:  # LAPACK knows no float16
                assert dtype == "f2"
                continue
        for key, g in t.gradient(y, xs).items():
            assert g is None or g.dtype == dtype, key


@pytest.mark.parametrize("name", sorted(registry.ENTRIES))
def test_every_entry_says_what_it_must(name):
    entry = registry.ENTRIES[name]
    assert entry.state in (registry.DIFFERENTIABLE, registry.PLAIN, registry.MISSING)
    if entry.state == registry.MISSING:
        assert entry.note
    elif entry.function is not None:
        assert entry.function.__doc__
    if entry.state == registry.DIFFERENTIABLE and not entry.note:
        assert entry.examples, f"{name} has no example: nothing tests its derivative"


def public_functions(module):
    return {
        name
        for name in dir(module)
        if name[0] != "_"
        and callable(getattr(module, name))
        and not isinstance(getattr(module, name), type)
    }


@pytest.mark.parametrize("part", ["", "linalg", "fft"])
def test_every_public_function_of_numpy_has_an_entry(part):
    module = getattr(np, part) if part else np
    known = {name for name, _ in registry.functions(part)}
    hidden = {"test"} if part else set()
    assert public_functions(module) - known <= hidden


def test_the_namespace_has_every_function_that_is_not_missing():
    for name, entry in registry.functions():
        if entry.function is not None or (
            entry.state == registry.PLAIN and registry.numpys(name) is not None
        ):
            assert callable(getattr(tnp, name)), name


def test_the_coverage_page_is_current():
    root = Path(__file__).resolve().parent.parent
    if not (root / "tools" / "coverage.py").exists():
        pytest.skip("the tools are not installed")
    spec = importlib.util.spec_from_file_location("coverage_tool", root / "tools" / "coverage.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.PAGE.read_text() == tool.page(), "run `python tools/coverage.py`"
