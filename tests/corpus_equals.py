"""Cases: arguments that are equal, and yet not what the program was recorded for."""

import numpy as np
from corpus import batch, case

X = batch()


def equal_values_with_attributes(kind, value):
    """Values that are equal and of one class, and have attributes that are not."""

    def make():
        first, other = kind(value), kind(value)
        first.rate, other.rate = 2.0, 3.0
        change = lambda: setattr(first, "rate", 4.0)  # noqa: E731
        calls = [(X, first), (X, other)] * 4
        return lambda x, k: x * k.rate, [*calls, change, *calls]

    return make


def value_that_gets_an_attribute(kind, value):
    def make():
        k = kind(value)
        change = lambda: setattr(k, "rate", 4.0)  # noqa: E731
        return lambda x, k: x * getattr(k, "rate", 1.0), [(X, k)] * 4 + [change] + [(X, k)] * 4

    return make


class SlottedFloat(float):
    __slots__ = ("rate",)


for _kind, _value in {
    type("Text", (str,), {}): "a",
    type("Whole", (int,), {}): 3,
    type("Rated", (float,), {}): 1.5,
    SlottedFloat: 1.5,
    type("Octets", (bytes,), {}): b"a",
}.items():
    for _make, _runs in ((equal_values_with_attributes, 6), (value_that_gets_an_attribute, 4)):
        _made = _make(_kind, _value)
        _made.__name__ = f"{_make.__name__}_{_kind.__name__}"
        case(_runs)(_made)


class AnyCase(str):
    __slots__ = ()

    def __eq__(self, other):
        return self.lower() == other.lower()

    def __hash__(self):
        return hash(self.lower())


@case(runs=4)
def texts_that_call_themselves_equal():
    names = [AnyCase("a"), AnyCase("A")]
    return lambda x, k: x * 2 if k.islower() else -x, [(X, k) for _ in range(4) for k in names]


@case(runs=6)
def slices_of_equal_ends():
    ones = np.ones(3, int)
    return lambda x, s: x * s.start, [(ones, slice(i, 2)) for _ in range(4) for i in (1, 1.0, True)]


@case(runs=2)
def slice_made_anew():
    return lambda x, s: x[s] * 2, [(X, slice(1, 3)) for _ in range(4)]
