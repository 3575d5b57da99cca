"""The op table itself: what every row must say, and that its readers agree."""

import inspect
from operator import attrgetter

import numpy as np
import pytest
from cases import ROWS, examples

import tapegrad as tg
import tapegrad.numpy as tnp
from tapegrad.engine import interface, select
from tapegrad.ops.rows import elementwise
from tapegrad.ops.table import BY_ID, OPS, Rule

every_row = pytest.mark.parametrize("op", ROWS, ids=attrgetter("name"))


@every_row
def test_every_row_is_documented(op):
    assert op.doc.endswith(".")
    assert len(op.doc) < 100


@every_row
def test_every_row_has_examples_with_as_many_inputs_as_it_names(op, rng):
    found = examples(op, "f8", rng)
    assert found
    for inputs, params in found:
        assert op.variadic or len(inputs) <= len(op.inputs)
        assert all(isinstance(p, (int, float)) for p in params)


@every_row
def test_every_row_differentiates_in_both_modes_or_not_at_all(op):
    assert [v is None for v in op.vjps] == [j is None for j in op.jvps]


@every_row
def test_every_row_has_an_id_of_its_own(op):
    assert BY_ID[op.id] is op


def test_rule_of_an_unknown_name_raises():
    with pytest.raises(TypeError, match="unknown argument 'z'"):
        Rule(lambda ct, z: ct, ("x",))


def test_c_rows_are_rows_of_the_python_table(native):
    inner = {"assign"}  # what writing a parameter records; no op of users
    assert set(select._engines["native"].c_rows) - set(OPS) <= inner
    assert set(tg.info()["c_ops"]) <= set(OPS)


def test_a_second_row_of_one_name_raises():
    with pytest.raises(ValueError, match="has a row already"):
        elementwise(ROWS[0].name, np.exp, (lambda y: y,))


@pytest.mark.parametrize("name", ["native", "numpy"])
def test_engines_have_the_interfaces_methods_and_arguments(name):
    engine = select._engines.get(name)
    if engine is None:
        pytest.skip("the C core is not built")
    for method, wanted in public_methods(interface.Engine):
        if method == "start":
            continue
        assert hasattr(engine, method), f"{name} engine has no {method}"
        if inspect.isbuiltin(getattr(engine, method)):  # a C function does not say
            continue
        found = inspect.signature(getattr(engine, method))
        names = [p for p in inspect.signature(wanted).parameters if p != "self"]
        assert list(found.parameters)[: len(names)] == names, f"{name} engine: {method}"


def test_the_seam_is_narrow():
    assert len(public_methods(interface.Engine)) <= 15


def public_methods(protocol):
    return [(n, f) for n, f in vars(protocol).items() if inspect.isfunction(f) and n[0] != "_"]


def test_engine_tapes_have_the_interfaces_methods(backend):
    made = select.engine().new_tape(False, True, False)
    for method, _ in public_methods(interface.EngineTape):
        assert hasattr(made, method)


def test_public_functions_are_documented():
    for name in tg.__all__:
        value = getattr(tg, name)
        if callable(value):
            assert inspect.getdoc(value), f"tapegrad.{name} has no docstring"
    for name in dir(tnp):
        value = getattr(tnp, name)
        if not name.startswith("_") and inspect.isfunction(value):
            assert inspect.getdoc(value), f"tapegrad.numpy.{name} has no docstring"


def test_elementwise_rows_are_functions_of_the_namespace():
    for name, op in OPS.items():
        if op.examples is None and isinstance(getattr(np, name, None), np.ufunc):
            assert hasattr(tnp, name), f"tapegrad.numpy.{name} is missing"


def test_a_row_added_later_differentiates(backend):
    name = f"thrice in {backend}"
    thrice = elementwise(name, lambda x: 3 * x, (lambda x: x * 0.0 + 3.0,), doc="3 x.")
    try:
        with tg.tape() as t:
            x = t.watch(tg.tensor([1.0, 2.0]))
            y = thrice(x).sum()
        assert t.gradient(y, x).tolist() == [3.0, 3.0]
    finally:
        del OPS[name], BY_ID[thrice.op.id]
