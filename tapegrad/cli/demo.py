"""`tapegrad demo`: a network learns handwritten digits, on each engine, from the same seed."""

import argparse
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

import tapegrad as tg
from tapegrad import nn, optim, tape
from tapegrad._version import __version__
from tapegrad.cli.progress import track
from tapegrad.data import load_digits

SUMMARY = "train a digits classifier on the NumPy engine, then on the native one"
SIZES = (64, 128, 64, 10)
BATCH = 64
LEARNING_RATE = 5e-3

Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Digits:
    """Four fifths of the digits to train on, one fifth held out; pixels scaled to -1 .. 1."""

    x_train: Array
    y_train: Labels
    x_test: Array
    y_test: Labels


@dataclass(frozen=True)
class Result:
    """What one engine's training took and reached."""

    engine: str
    seconds: float
    losses: list[float]  # one a step
    train_accuracy: float
    test_accuracy: float

    @property
    def steps_per_second(self) -> float:
        return len(self.losses) / self.seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--epochs", type=int, default=30, help="passes over the training images (default: 30)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of split, initial weights and shuffling (default: 0)"
    )
    parser.add_argument(
        "--plot",
        metavar="FILE",
        default="tapegrad-demo.png",
        help="where the loss curves go if matplotlib is installed (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> int:
    digits = split(arguments.seed)
    network = "-".join(map(str, SIZES))
    print(f"tapegrad {__version__}: handwritten digits, {len(digits.y_train)} images to train on,")
    print(f"{len(digits.y_test)} held out; MLP {network}, ReLU, Adam, batches of {BATCH}\n")
    print(f"{'engine':8} {'time':>9} {'steps/s':>9} {'train':>8} {'test':>8} {'loss':>10}")
    results = []
    for engine in engines():
        result = train(engine, digits, arguments.epochs, arguments.seed)
        results.append(result)
        print(
            f"{engine:8} {result.seconds:7.2f} s {result.steps_per_second:9.0f}"
            f" {result.train_accuracy:8.2%} {result.test_accuracy:8.2%} {result.losses[-1]:10.2e}",
            flush=True,
        )
    print()
    if len(results) == 2:
        ratio = results[0].seconds / results[1].seconds
        print(f"native is {ratio:.1f} x as fast as the NumPy engine")
    else:
        print("the native engine is not available here: `tapegrad info` says why")
    plot(results, arguments.plot)
    return 0


def engines() -> list[str]:
    """Return the engines to show, the slow one first."""
    return ["numpy", "native"] if tg.info()["native"] else ["numpy"]


def split(seed: int) -> Digits:
    x, y = load_digits()
    x = x / np.float32(8) - np.float32(1)
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = np.split(order, [len(x) // 5])
    return Digits(x[train], y[train], x[test], y[test])


def train(engine: str, digits: Digits, epochs: int, seed: int) -> Result:
    """Train a new network on one engine; the same seed gives both engines the same batches."""
    x, y = digits.x_train, digits.y_train
    shuffle = np.random.default_rng(seed)
    losses = []
    with tg.use_backend(engine):
        tg.manual_seed(seed)
        model = nn.MLP(SIZES[0], list(SIZES[1:]), activation="relu")
        optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE)
        start = time.perf_counter()
        for _ in track(epochs, engine):
            order = shuffle.permutation(len(x))
            for first in range(0, len(x), BATCH):
                batch = order[first : first + BATCH]
                with tape():
                    loss = nn.cross_entropy(model(x[batch]), y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
        seconds = time.perf_counter() - start
        return Result(
            engine,
            seconds,
            losses,
            accuracy(model, digits.x_train, digits.y_train),
            accuracy(model, digits.x_test, digits.y_test),
        )


def accuracy(model: nn.Module, x: Array, y: Labels) -> float:
    return float(np.mean(model(x).numpy().argmax(axis=1) == y))


def plot(results: list[Result], path: str) -> None:
    """Draw each engine's loss per step into a PNG, if matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="training loss", yscale="log")
    for result, style in zip(results, ["-", "--"], strict=False):
        axes.plot(result.losses, style, linewidth=1, label=result.engine)
    axes.legend()
    try:
        figure.savefig(path, dpi=100)
    except OSError as error:
        print(f"no loss curves: {error}")
    else:
        print(f"loss curves: {path}")
