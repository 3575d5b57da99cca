"""`tapegrad demo`: a network learns handwritten digits in each way there is, from the same seed."""

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import tapegrad as tg
from tapegrad import nn, optim, tape
from tapegrad._version import __version__
from tapegrad.cli.arguments import count, seed_number
from tapegrad.cli.progress import track
from tapegrad.data import load_digits

SUMMARY = "train a digits classifier on the NumPy engine, on the native one, and replayed"
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
class Way:
    """How to train."""

    name: str
    engine: str
    replays: bool  # the step compiled, an epoch in one call


@dataclass(frozen=True)
class Result:
    """What one way of training took and reached."""

    way: str
    seconds: float
    losses: list[float]  # one a step
    train_accuracy: float
    test_accuracy: float

    @property
    def steps_per_second(self) -> float:
        return len(self.losses) / self.seconds


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--epochs", type=count, default=30, help="passes over the training images (default: 30)"
    )
    parser.add_argument(
        "--seed",
        type=seed_number,
        default=0,
        help="of split, initial weights and shuffling (default: 0)",
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
    print(f"{'':8} {'time':>9} {'steps/s':>9} {'train':>8} {'test':>8} {'loss':>10}")
    results = []
    for way in ways():
        result = train(way, digits, arguments.epochs, arguments.seed)
        results.append(result)
        print(
            f"{way.name:8} {result.seconds:7.2f} s {result.steps_per_second:9.0f}"
            f" {result.train_accuracy:8.2%} {result.test_accuracy:8.2%} {result.losses[-1]:10.2e}",
            flush=True,
        )
    print()
    if len(results) == 3:
        slow, eager, replay = results
        bits = "the same bits" if replay.losses == eager.losses else "OTHER BITS"
        print(f"native is {slow.seconds / eager.seconds:.1f} x as fast as the NumPy engine;")
        print(
            f"replayed, an epoch in one call, it is {slow.seconds / replay.seconds:.1f} x as fast, "
            f"and the losses have {bits}"
        )
    else:
        print("the native engine is not available here: `tapegrad info` says why")
    plot(results, arguments.plot)
    return 0


def ways() -> list[Way]:
    """Return the ways to show, the slow one first."""
    found = [Way("numpy", "numpy", replays=False)]
    if tg.info()["native"]:
        found += [Way("native", "native", replays=False), Way("replay", "native", replays=True)]
    return found


def split(seed: int) -> Digits:
    x, y = load_digits()
    x = x / np.float32(8) - np.float32(1)
    order = np.random.default_rng(seed).permutation(len(x))
    test, train = np.split(order, [len(x) // 5])
    return Digits(x[train], y[train], x[test], y[test])


def train(way: Way, digits: Digits, epochs: int, seed: int) -> Result:
    """Train a new network in one way; the same seed gives each the same batches."""
    x, y = digits.x_train, digits.y_train
    shuffle = np.random.default_rng(seed)
    losses: list[float] = []
    with tg.use_backend(way.engine):
        tg.manual_seed(seed)
        model = nn.MLP(SIZES[0], list(SIZES[1:]), activation="relu")
        optimizer = optim.Adam(model.parameters(), lr=LEARNING_RATE)

        def step(x: Any, y: Any) -> tg.Tensor:
            with tape():
                loss = nn.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss

        replayed = tg.compile(step)
        start = time.perf_counter()
        for _ in track(epochs, way.name):
            if way.replays:
                losses += replayed.epoch(x, y, batch_size=BATCH, shuffle=shuffle).tolist()
                continue
            order = shuffle.permutation(len(x))
            for first in range(0, len(x), BATCH):
                batch = order[first : first + BATCH]
                losses.append(step(x[batch], y[batch]).item())
        seconds = time.perf_counter() - start
        return Result(
            way.name,
            seconds,
            losses,
            accuracy(model, digits.x_train, digits.y_train),
            accuracy(model, digits.x_test, digits.y_test),
        )


def accuracy(model: nn.Module, x: Array, y: Labels) -> float:
    return float(np.mean(model(x).numpy().argmax(axis=1) == y))


def plot(results: list[Result], path: str) -> None:
    """Draw each way's loss per step into a PNG, if matplotlib is installed."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel="training loss", yscale="log")
    for result, style in zip(results, ["-", "--", ":"], strict=False):
        axes.plot(result.losses, style, linewidth=1, label=result.way)
    axes.legend()
    try:
        figure.savefig(path, dpi=100)
    except OSError as error:
        print(f"no loss curves: {error}")
    else:
        print(f"loss curves: {path}")
