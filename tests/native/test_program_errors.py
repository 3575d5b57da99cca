"""Programs: wrong lists and wrong inputs are refused, and the program runs on."""

import numpy as np
import pytest
from building import Building, Program, negative_program

import tapegrad as tg
from tapegrad.ops.table import OPS

pytestmark = pytest.mark.skipif(
    tg.backend() != "native", reason="programs run on the native engine only"
)


@pytest.mark.parametrize(
    ("inputs", "error", "message"),
    [
        ([], TypeError, "list of 1"),
        ((np.ones(4, "f4"),), TypeError, "list of 1"),
        ([tg.tensor(np.ones(5, "f4"))], ValueError, "another shape"),
        ([tg.tensor(np.ones(4, "f8"))], ValueError, "another shape or dtype"),
        ([np.ones((4, 1), "f4")], ValueError, "another shape"),
        ([np.ones(4, ">f4")], TypeError, "native byte order"),
        ([np.array(["a"] * 4)], TypeError, "numeric ndarrays"),
        ([[1.0] * 4], TypeError, "native Tensors and ndarrays"),
    ],
)
def test_wrong_inputs_are_refused_and_the_program_runs_on(inputs, error, message):
    program = negative_program()
    with pytest.raises(error, match=message):
        program.run(inputs)
    assert program.run([np.ones(4, "f4")])[0].tolist() == [-1.0] * 4


def one_value(role, where, shape=(4,), code=0):
    return [[(code, shape, role, where)], [], [], [], 64, 1]


NEGATIVE = OPS["negative"].id


TWO = [(0, (4,), "i", 0), (0, (4,), "p", 0)]


def hosted(n, where, read_by):
    """A program whose value 1 lies in an output's memory; steps 1 and 2 make outputs of n values,
    the first of which is value 2, from value 1 or 0."""
    values = [(0, (n,), "i", 0), (0, (n,), "p", where), (0, (n,), "o", 0), (0, (n,), "o", 0)]
    reads = [1 if k in read_by else 0 for k in range(2)]
    pairs = [(0, 1), (reads[0], 2), (reads[1], 3)]
    steps = [(0, NEGATIVE, (a,), (b,), (), None) for a, b in pairs]
    return [values, steps, [2, 3], [], 64, 1]


def test_a_value_may_lie_in_an_output_until_that_is_made():
    program = Program(*hosted(32, (0, 3), [0]))
    x = np.arange(32, dtype="f4")
    before = []
    for _ in range(4):
        first, second = program.run([x])
        assert first.tolist() == x.tolist()
        assert second.tolist() == (-x).tolist()
        before.append(second)  # keeps its memory: the next run's is elsewhere
    assert all(t.tolist() == (-x).tolist() for t in before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (one_value("i", 1), "no such argument"),
        (one_value("i", -1), "can't convert negative"),
        (one_value("p", 8), "not in the block"),
        (one_value("p", 64), "not in the block"),
        (one_value("p", 0, (17,)), "not in the block"),
        (one_value("x", 0), "no role 'x'"),
        (one_value("c", np.zeros(4)), "native Tensor"),
        (one_value("c", tg.tensor(np.zeros(4))), "captured Tensor is another"),
        (one_value("p", 0, (-1,)), "negative or too large"),
        (one_value("p", 0, (2**40, 2**40)), "negative or too large"),
        (one_value("p", 0, (4,), 77), "no such dtype"),
        (one_value("o", 0), "no step makes"),
        ([TWO, [(9, 0, (0,), (1,), (), None)], [], [], 64, 1], "no such kind"),
        ([TWO, [(0, 9999, (0,), (1,), (), None)], [], [], 64, 1], "no such row"),
        ([TWO, [(0, NEGATIVE, (0, 0), (1,), (), None)], [], [], 64, 1], "number of inputs"),
        ([TWO, [(0, NEGATIVE, (2,), (1,), (), None)], [], [], 64, 1], "no value 2"),
        ([TWO, [(0, NEGATIVE, (1,), (1,), (), None)], [], [], 64, 1], "before a step"),
        ([TWO, [(0, NEGATIVE, (0,), (0,), (), None)], [], [], 64, 1], "cannot make value 0"),
        ([TWO, [(0, NEGATIVE, (0,), (1,), (), None)] * 2, [], [], 64, 1], "cannot make value 1"),
        ([TWO, [(4, 0, (0,), (), (), None)], [], [], 64, 1], "one number"),
        ([TWO, [(5, 0, (0,), (1,), (), None)], [], [], 64, 1], "callable"),
        ([TWO, [(3, 7, (), (1,), (0.0, 1.0), (0, 0))], [], [], 64, 1], "no such draw"),
        ([TWO, [(2, 0, (0,), (), (0,), None)], [], [], 64, 1], "do not fit"),
        ([TWO, [(5, -1, (0,), (1,), (1,), print)], [], [], 64, 1], "writes no input 1"),
        ([TWO, [], [2], [], 64, 1], "no such output"),
        ([TWO, [(1,)], [], [], 64, 1], "a step is"),
        ([[(1, 2)], [], [], [], 64, 1], "a value is"),
        ([[], [], [], [], -1, 1], "negative or too large"),
        (hosted(16, (64, 3), [0]), "not in an output"),
        (hosted(32, (0, 0), [0]), "not in an output"),
        (hosted(32, (8, 3), [0]), "not in an output"),
        (hosted(32, (0, 99), [0]), "not in an output"),
        (hosted(32, (0, 2), [1]), "an output's that is made"),
        (hosted(32, (0, 2), [0, 1]), "an output's that is made"),
    ],
)
def test_wrong_programs_are_refused(arguments, message):
    with pytest.raises((ValueError, OverflowError), match=message):
        Program(*arguments)


def test_a_row_that_gives_another_shape_is_an_error():
    b = Building()
    program = b.program([b.run("negative", [b.argument(np.zeros(4, "f4"))], (2, 2), role="o")])
    with pytest.raises(ValueError, match="step 0, negative, gives another shape"):
        program.run([np.ones(4, "f4")])


def test_a_row_without_kernel_for_its_dtype_is_an_error():
    b = Building()
    out = b.run("exp", [b.argument(np.zeros(4, "i8"))], (4,), "i8", role="o")
    with pytest.raises(ValueError, match="exp has no C kernel"):
        b.program([out]).run([np.ones(4, "i8")])


def test_a_program_that_runs_already_says_so():
    b = Building()
    y = b.value((), "f4", "o")
    again = []

    def call(inputs):
        with pytest.raises(tg.TapeError, match="running already"):
            program.run(again)
        return inputs[0]

    b.step(Program.PYTHON, 0, [b.argument(np.zeros((), "f4"))], [y], (), call)
    program = b.program([y])
    again.append(np.ones((), "f4"))
    assert program.run(again)[0].tolist() == 1.0
