import json
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import bench as bench_module
from benchmarks.bench import Bench, quoted
from benchmarks.processes import PROC, ChildFailedError, Finished, run_child
from benchmarks.results import Figure, Findings, SkippedError, interleaved, load, page, ratios
from benchmarks.rows import ROWS, Row, gpu, sweep

STUB = """
import pathlib, sys
words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
folder = pathlib.Path(words.get("hydra.run.dir") or words["hydra.sweep.dir"])
(folder / "checkpoints").mkdir(parents=True)
(folder / "words.txt").write_text("\\n".join(sys.argv[1:]))
"""


def compared(bench: Bench) -> Findings:
    sides = interleaved(
        bench.repeat,
        first=lambda: bench.child("first", [sys.executable, "-c", "1"]).seconds,
        second=lambda: bench.child("second", [sys.executable, "-c", "1"]).seconds,
    )
    return Findings([Figure("compared", ratios(sides["first"], sides["second"]), "×")])


def failing(bench: Bench) -> Findings:
    bench.child("side", [sys.executable, "-c", "raise SystemExit('broken')"])
    raise AssertionError


def incomplete(bench: Bench) -> Findings:
    (bench.workdir / "metrics.json").read_text()
    raise AssertionError


def skipped(bench: Bench) -> Findings:
    raise SkippedError("no GPU here")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *words])
    monkeypatch.setattr(command.signal, "signal", lambda *_: None)
    try:
        command.main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_rows_are_measured_and_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    measures = {"c": failing, "d": incomplete, "a": compared, "b": skipped}
    monkeypatch.setattr(command, "ROWS", {name: Row(f"What {name} means.", "0", each) for name, each in measures.items()})
    (tmp_path / "work" / "temporary" / "left").mkdir(parents=True)
    words = ["--workdir", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    assert run(monkeypatch, *words, "--repeat", "2") == 1  # since c and d have failed
    printed = capsys.readouterr().out
    log = tmp_path / "work" / "logs" / "c-side-1.log"
    assert f"failed: side ended with code 1 (broken): {log}" in printed
    assert "failed: FileNotFoundError" in printed
    assert "skipped: no GPU here" in printed
    found = load(tmp_path / "out" / "results.json")
    assert found["a"].findings.figures[0].value.n == 2
    assert "| [a](#a) | compared |" in (tmp_path / "out" / "RESULTS.md").read_text()
    assert {file.name for file in log.parent.glob("a-*")} == {
        f"a-{s}-{turn}.log" for s in ("first", "second") for turn in (1, 2)
    }
    assert not (tmp_path / "work" / "temporary").exists()

    assert run(monkeypatch, *words, "--only", "b") == 0
    assert load(tmp_path / "out" / "results.json")["a"] == found["a"]
    assert run(monkeypatch, "--out", str(tmp_path / "taken"), "--take", str(tmp_path / "out" / "results.json")) == 0
    assert load(tmp_path / "taken" / "results.json")["a"] == found["a"]


def test_a_row_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--only", "seed_jop") == 2
    assert f"got seed_jop; allowed: {', '.join(ROWS)}" in capsys.readouterr().err
    assert run(monkeypatch, "--list") == 0
    printed = capsys.readouterr().out
    assert all(f"{name} " in printed and row.title in printed for name, row in ROWS.items())


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    """A bench with everything prepared, whose train.py does nothing."""
    stub = tmp_path / "train.py"
    stub.write_text(STUB)
    monkeypatch.setattr(bench_module, "TRAIN", stub)
    monkeypatch.setattr(Bench, "prepare", lambda self: "12 images.")
    work = tmp_path / "work"
    (work / "pictures").mkdir(parents=True)
    (work / "resnet50.pt").touch()
    return Bench(work, repeat=2, quick=True, row="sweep")


def test_a_row_from_command_lines_to_figures(stubbed: Bench) -> None:
    (figure,) = sweep.measure(stubbed).figures
    assert figure.value.n == 2
    assert figure.against.startswith("one run: ")
    runs = sorted((stubbed.workdir / "runs").iterdir())
    assert [folder.name for folder in runs] == ["sweep-one-1", "sweep-one-2", "sweep-sweep-1", "sweep-sweep-2"]
    assert not any((folder / "checkpoints").exists() for folder in runs)
    words = (runs[-1] / "words.txt").read_text().splitlines()
    assert words[0] == "-m"
    assert {f"data.root={stubbed.workdir / 'pictures'}", "head=linear,mlp"} < set(words)
    assert list((stubbed.workdir / "temporary").iterdir()) == []


def test_paths_are_values_of_hydras_grammar() -> None:
    assert quoted(Path("/a/b-c_d.e")) == "/a/b-c_d.e"
    assert quoted(Path("/a b/c,d")) == "'/a b/c,d'"


def test_results_in_the_repository_are_those_of_the_page() -> None:
    file = command.HERE / "results.json"
    assert (command.HERE / "RESULTS.md").read_text(encoding="utf-8") == page(load(file), command.TITLES)
    assert all("--quick" not in row["command"] for row in json.loads(file.read_text(encoding="utf-8")).values())


def test_a_gpus_use_is_read(tmp_path: Path) -> None:
    (tmp_path / "use.csv").write_text(
        "2026/01/02 03:04:05.500, 55\n2026/01/02 03:04:05.700, [N/A]\n2026/01/02 03:04:06.500, 70\n"
    )
    (first, used), (second, _) = gpu.read_use(tmp_path / "use.csv")
    assert (second - first, used) == (1.0, 55.0)


def python(code: str, log: Path, **options: object) -> Finished:
    return run_child([sys.executable, "-c", code], log, {"WORD": "said"}, log.parent, **options)  # type: ignore[arg-type]


def test_a_process_is_timed_and_ended_with_all_that_it_started(tmp_path: Path) -> None:
    log, wanted = tmp_path / "a.log", tmp_path / "wanted"
    sleep = "import time; time.sleep(60)"
    code = "import os, pathlib, subprocess, sys, time; "
    code += f"print(os.environ['WORD'], subprocess.Popen([sys.executable, '-c', '{sleep}']).pid)"
    done = python(f"{code}; sys.stdout.flush(); pathlib.Path('{wanted}').touch(); {sleep}", log, until=wanted.exists)
    assert done.seconds < 30
    assert done.log == log
    said, pid = log.read_text().splitlines()[-1].split()
    assert said == "said"
    stat = PROC / pid / "stat"
    assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] in "ZX"  # dead
    with pytest.raises(ChildFailedError, match="ended with code 0 before its time"):
        python("pass", tmp_path / "b.log", until=(tmp_path / "never").exists)


@pytest.mark.skipif(not PROC.exists(), reason="memory is sampled from /proc")
def test_the_memory_of_a_process_and_its_children_is_sampled(tmp_path: Path) -> None:
    allocate = "import sys, time; mine = b'x' * (60 << 20); time.sleep(2)"
    code = f"import subprocess, sys, time; mine = b'x' * (60 << 20); subprocess.run([sys.executable, '-c', {allocate!r}])"
    memory = python(code, tmp_path / "a.log", sample=True).memory
    assert 120 << 20 <= memory.anonymous < memory.resident <= 190 << 20
    assert 120 << 20 <= memory.proportional < memory.resident
