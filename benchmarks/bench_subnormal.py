"""What gradual underflow costs: a training step whose activations are subnormal, and one whose are
not. tapegrad never flushes subnormals to zero: that would change results with the machine."""

from __future__ import annotations

import numpy as np

from tapegrad.cli.timing import interleave


def build(scale: float):
    """A forward and backward pass of 64-128-64-10, tanh, batch 64, with inputs of this size."""
    import tapegrad as tg
    from tapegrad import nn, tape

    tg.manual_seed(0)
    model = nn.MLP(64, [128, 64, 10], activation="tanh", bias=False)
    rng = np.random.default_rng(0)
    x = tg.tensor((rng.normal(size=(64, 64)) * scale).astype("f4"))

    def step():
        with tape() as t:
            out = model(x)
            loss = out.sum()
        return t.gradient(loss, list(model.parameters()))

    share = np.mean(np.abs(model(x).numpy()) < np.finfo("f4").tiny)
    return step, share


def report() -> list[str]:
    """A markdown table: microseconds a pass, the share of subnormal outputs, the ratio."""
    (normal, _), (subnormal, share) = build(1.0), build(1e-40)
    times = interleave({"normal": normal, "subnormal": subnormal})
    ratio = times["subnormal"].ratio(times["normal"])
    return [
        "| forward and backward of 64-128-64-10, tanh, batch 64 | µs |",
        "|---|---|",
        f"| inputs of size 1 | {times['normal'].median * 1e6:.0f} |",
        f"| inputs of size 1e-40 ({share:.0%} of the outputs subnormal or zero) "
        f"| {times['subnormal'].median * 1e6:.0f} |",
        "",
        f"Subnormal numbers cost {ratio:.2f} times the time of normal ones here.",
    ]
