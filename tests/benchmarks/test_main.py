import sys
import time
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import bench as bench_module
from benchmarks.bench import Bench, Run
from benchmarks.processes import PROC, ChildFailedError, Finished, run_child
from benchmarks.results import Figure, SkippedError, interleaved, load, ratios
from benchmarks.rows import GROUPS, ROWS, TITLES, gpu, speed

STUB = """
import pathlib, sys
words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
folder = pathlib.Path(words.get("hydra.run.dir") or words["hydra.sweep.dir"])
(folder / "checkpoints").mkdir(parents=True)
(folder / "words.txt").write_text("\\n".join(sys.argv[1:]))
"""


def compared(bench: Bench) -> tuple[list[Figure], list[str]]:
    sides = interleaved(
        bench.repeat,
        first=lambda: bench.child("first", [sys.executable, "-c", "1"]).seconds,
        second=lambda: bench.child("second", [sys.executable, "-c", "1"]).seconds,
    )
    return [Figure("compared", ratios(sides["first"], sides["second"]), "×")], []


def failing(bench: Bench) -> tuple[list[Figure], list[str]]:
    bench.child("side", [sys.executable, "-c", "raise SystemExit('broken')"])
    raise AssertionError


def skipped(bench: Bench) -> tuple[list[Figure], list[str]]:
    raise SkippedError("no GPU here")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    try:
        command.main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def test_rows_are_measured_kept_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measures = {"a": compared, "b": skipped, "c": failing}
    monkeypatch.setattr(command, "ROWS", measures)
    monkeypatch.setattr(command, "TITLES", {name: f"What {name} means." for name in measures})
    (tmp_path / "work" / "temporary" / "left").mkdir(parents=True)
    words = ["--workdir", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    assert run(monkeypatch, *words, "--repeat", "2") == 1  # since c has failed
    printed = capsys.readouterr().out
    log = tmp_path / "work" / "logs" / "c-side-1.log"
    assert f"failed: ChildFailedError: side ended with code 1 (broken): {log}" in printed
    assert "skipped: no GPU here" in printed
    found = load(tmp_path / "out" / "results.json")
    assert len(found["a"].figures[0].values) == 2
    assert "| [a](#a) | compared |" in (tmp_path / "out" / "RESULTS.md").read_text()
    assert len(list(log.parent.glob("a-*"))) == 4
    assert not (tmp_path / "work" / "temporary").exists()

    assert run(monkeypatch, *words, "--only", "b") == 0
    assert load(tmp_path / "out" / "results.json")["a"] == found["a"]


def test_an_unknown_row_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--only", "seed_jop") == 2
    assert f"got seed_jop; allowed: {', '.join(ROWS)}" in capsys.readouterr().err
    assert run(monkeypatch, "--list") == 0
    printed = capsys.readouterr().out
    assert all(f"{name}: {TITLES[name]}" in printed for name in ROWS)


def test_a_row_from_command_lines_to_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stub, work = tmp_path / "train.py", tmp_path / "work"
    stub.write_text(STUB)
    monkeypatch.setattr(bench_module, "TRAIN", stub)
    monkeypatch.setattr(Bench, "prepare", lambda self: "12 images.")
    for made in ("images", "runs/trained"):
        (work / made).mkdir(parents=True)
    (figure,), _ = speed.sweep(Bench(work, repeat=2, quick=True, row="sweep"))
    assert len(figure.values) == 2
    runs = sorted((work / "runs").iterdir())
    assert [folder.name for folder in runs] == ["sweep-one-1", "sweep-one-2", "sweep-sweep-1", "sweep-sweep-2", "trained"]
    assert not any((folder / "checkpoints").exists() for folder in runs)
    words = (runs[-2] / "words.txt").read_text().splitlines()
    assert words[0] == "-m"
    assert {f"data.root={work / 'images'}", "head=linear,mlp"} < set(words)
    assert list((work / "temporary").iterdir()) == []


def test_a_group_is_measured_and_without_a_gpu_its_rows_are_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu, "gpus", str)
    assert run(monkeypatch, "--only", "gpu", "--workdir", str(tmp_path), "--out", str(tmp_path)) == 0
    assert list(load(tmp_path / "results.json")) == GROUPS["gpu"] == [name for name in ROWS if "gpu" in name]
    assert capsys.readouterr().out.count("skipped: no GPU here\n") == len(GROUPS["gpu"])
    assert gpu.trainer(Bench(tmp_path, quick=True)) == "trainer=cpu"


def test_what_a_run_states_on_its_speed_is_read(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"balance": {"train_counts_after": {"ai": 60000, "human": 40000}}}')
    (tmp_path / "metrics.csv").write_text("stage,seconds\nhead,1\nlast10,9\nlast10,4.0\nlast10,5.0\nlast10,4.0\n")
    lines = ["computed the frozen layers of 70,344 images in 9.1 s: 7,730 images a second"] * 2
    (tmp_path / "train.log").write_text(
        "\n".join(f"2026-11-27 21:15:09,756 INFO artclf.model.features: {line}" for line in lines)
    )
    run = Run(tmp_path, Finished(0.0, 80.0, 0))
    figures, missing = gpu.parts(run)
    assert [figure.values for figure in figures] == [[25_000.0], [pytest.approx(70_344 / 18.2)]]
    assert missing == ["train.log does not state how long decoding took."]
    (tmp_path / "train.log").write_text("decoded 185,015 images in 14.2 s: 13,029 images a second")
    assert gpu.parts(run)[0][1].values == [pytest.approx(13_029, abs=1)]


def test_a_gpus_use_is_read(tmp_path: Path) -> None:
    lines = ("2026/01/02 03:04:05.500, 55", "2026/01/02 03:04:05.700, [N/A]", "2026/01/02 03:04:06.500, 70")
    (tmp_path / "use.csv").write_text("\n".join(lines))
    (first, used), (second, _) = gpu.read_use(tmp_path / "use.csv")
    assert (second - first, used) == (1.0, 55.0)


def python(code: str, log: Path, **options: object) -> Finished:
    return run_child([sys.executable, "-c", code], log, {"WORD": "given"}, log.parent, **options)  # type: ignore[arg-type]


def test_a_process_is_timed_and_ended_with_all_that_it_started(tmp_path: Path) -> None:
    log, wanted = tmp_path / "a.log", tmp_path / "wanted"
    sleep = "import time; time.sleep(60)"
    code = "import os, pathlib, subprocess, sys, time; "
    code += f"print(os.environ['WORD'], subprocess.Popen([sys.executable, '-c', '{sleep}']).pid)"
    done = python(f"{code}; sys.stdout.flush(); pathlib.Path('{wanted}').touch(); {sleep}", log, until=wanted.exists)
    assert done.seconds < 30
    word, pid = log.read_text().splitlines()[-1].split()
    assert word == "given"
    stat, deadline = PROC / pid / "stat", time.monotonic() + 10
    while stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in "ZX":  # not dead yet
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(ChildFailedError, match="ended with code 0 before its time"):
        python("pass", tmp_path / "b.log", until=(tmp_path / "never").exists)


@pytest.mark.skipif(not PROC.exists(), reason="memory is sampled from /proc")
def test_the_memory_of_a_process_and_its_children_is_sampled(tmp_path: Path) -> None:
    allocate = "import sys, time; mine = b'x' * (60 << 20); time.sleep(1.2)"
    code = f"import subprocess, sys, time; mine = b'x' * (60 << 20); subprocess.run([sys.executable, '-c', {allocate!r}])"
    assert 120 << 20 <= python(code, tmp_path / "a.log", sample=True).memory <= 190 << 20
