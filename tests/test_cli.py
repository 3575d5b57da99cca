"""The command line: what it prints, and what it does with a wrong one."""

import os
import subprocess
import sys

import pytest

import tapegrad as tg
from tapegrad.cli import bench, demo, main, networks
from tapegrad.cli.progress import track


def test_demo_reaches_97_percent_in_each_way(tmp_path, capsys, monkeypatch):
    results = []
    monkeypatch.setattr(demo, "plot", lambda runs, path: results.extend(runs))
    assert main(["demo", "--plot", str(tmp_path / "curves.png")]) == 0
    assert [result.way for result in results] == [way.name for way in demo.ways()]
    for result in results:
        assert result.test_accuracy >= 0.97
        assert result.train_accuracy >= 0.99
    printed = capsys.readouterr()
    assert "steps/s" in printed.out
    assert ("the losses have the same bits" in printed.out) == tg.info()["native"]
    assert printed.err == ""  # no progress bar: this is no terminal


def test_all_ways_start_from_the_same_loss():
    digits = demo.split(seed=1)
    first = {demo.train(way, digits, 1, seed=1).losses[0] for way in demo.ways()}
    assert max(first) - min(first) < 1e-5


def test_demo_draws_loss_curves(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curves.png"
    assert main(["demo", "--epochs", "1", "--plot", str(path)]) == 0
    assert path.read_bytes().startswith(b"\x89PNG")


def test_info_names_engine_version_and_ops(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    assert f"tapegrad {tg.__version__}" in printed
    assert "multiply" in printed


def test_bench_prints_a_row_a_network_and_restores_the_threads(capsys, threads):
    threads(2)
    before = tg.get_num_threads()
    assert main(["bench", "--no-peers", "--rounds", "1"]) == 0
    assert tg.get_num_threads() == before
    printed = capsys.readouterr().out
    first = next(iter(bench.contenders(peers=False)))
    assert f"how many times {first}'s" in printed
    for case in networks.CASES:
        (row,) = [line for line in printed.splitlines() if line.startswith(case.name)]
        assert row.count("x)") == len(bench.contenders(peers=False))
        assert "(1.0x)" in row


def test_bench_leaves_out_what_is_not_installed(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)  # as if not installed
    builds = {"NumPy engine": networks.tapegrad_numpy, "torch": networks.torch_eager}
    monkeypatch.setattr(bench, "contenders", lambda peers: builds)
    monkeypatch.setattr(bench, "CASES", networks.CASES[:1])
    assert main(["bench", "--rounds", "1"]) == 0
    assert "not installed" in capsys.readouterr().out


def test_bench_refuses_to_compare_unequal_losses(capsys, monkeypatch):
    def twice_the_rate(case, lr):
        return networks.tapegrad_numpy(case, 2 * lr)

    builds = {"NumPy engine": networks.tapegrad_numpy, "another": twice_the_rate}
    monkeypatch.setattr(bench, "contenders", lambda peers: builds)
    assert main(["bench"]) == 1
    assert "the losses of another are" in capsys.readouterr().err


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nonesuch"],
        ["info", "--nonesuch"],
        ["demo", "--epochs", "x"],
        ["demo", "--epochs", "0"],
        ["demo", "--seed", "-1"],
        ["bench", "--rounds", "0"],
    ],
)
def test_wrong_command_line_prints_help(argv, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(argv)
    assert exit_info.value.code == 2
    printed = capsys.readouterr().err
    assert "--help" in printed
    assert "error:" in printed


def test_ctrl_c_ends_a_command_without_a_traceback(capsys, monkeypatch):
    def interrupted(arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert main(["demo"]) == 130
    assert capsys.readouterr().err.strip() == "tapegrad: interrupted"


@pytest.mark.skipif(os.name != "posix", reason="pipes of POSIX")
def test_a_reader_that_leaves_early_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "tapegrad", "info"],
        env={
            **os.environ,
            "TAPEGRAD_BACKEND": tg.backend(),
        },  # chosen, so that nothing is said of it
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_module_runs_as_a_command(tmp_path):
    # A directory without the source tree: the installed package answers.
    done = subprocess.run(
        [sys.executable, "-m", "tapegrad", "--version"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"tapegrad {tg.__version__}\n"


class Terminal:
    def __init__(self):
        self.text = ""

    def isatty(self):
        return True

    def write(self, text):
        self.text += text

    def flush(self):
        pass


def test_progress_draws_one_line_on_a_terminal_and_erases_it(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setitem(sys.modules, "tqdm", None)  # as if not installed
    assert list(track(3, "numpy")) == [0, 1, 2]
    assert "1/3" in terminal.text
    assert "\n" not in terminal.text
    assert terminal.text.endswith("\r\x1b[K")
