import json
import os
import sys
import time
from pathlib import Path

import pytest

from benchmarks import __main__ as command
from benchmarks import bench as bench_module
from benchmarks.bench import Bench, quoted
from benchmarks.processes import ChildFailedError
from benchmarks.results import Figure, Findings, SkippedError, load
from benchmarks.rows import ROWS, Row, gpu, sweep
from benchmarks.spread import interleaved, ratios

STUB = """
import pathlib, sys
words = dict(word.split("=", 1) for word in sys.argv[1:] if "=" in word)
folder = pathlib.Path(words.get("hydra.run.dir") or words["hydra.sweep.dir"])
(folder / "checkpoints").mkdir(parents=True)
(folder / "words.txt").write_text("\\n".join(sys.argv[1:]))
"""


def compared(bench: Bench) -> Findings:
    def seconds(side: str) -> float:
        return bench.child(side, [sys.executable, "-c", f"print({side!r})"]).seconds

    sides = interleaved(bench.repeat, first=lambda _: seconds("first"), second=lambda _: seconds("second"))
    return Findings([Figure("compared", ratios(sides["first"], sides["second"]), "×")])


def failing(bench: Bench) -> Findings:
    bench.child("side", [sys.executable, "-c", "raise SystemExit('broken')"])
    raise AssertionError


def incomplete(bench: Bench) -> Findings:
    (bench.workdir / "metrics.json").read_text()
    raise AssertionError


def interrupted(bench: Bench) -> Findings:
    raise KeyboardInterrupt


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


def test_rows_are_measured_told_and_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {
        name: Row(f"What {name} means.", "0", measure) for name, measure in {"a": compared, "b": skipped, "c": failing}.items()
    }
    monkeypatch.setattr(command, "ROWS", rows)
    monkeypatch.setattr(command, "TITLES", {name: row.title for name, row in rows.items()})
    (tmp_path / "work" / "temporary" / "left").mkdir(parents=True)
    words = ["--workdir", str(tmp_path / "work"), "--out", str(tmp_path / "out")]
    assert run(monkeypatch, *words, "--repeat", "2") == 1  # since c has failed
    printed = capsys.readouterr().out
    log = tmp_path / "work" / "logs" / "c-side-1.log"
    assert f"failed: side ended with code 1 (broken): {log}" in printed
    assert "skipped: no GPU here" in printed
    found = load(tmp_path / "out" / "results.json")
    assert found["a"].findings.figures[0].value.n == 2
    assert "| [a](#a) | compared |" in (tmp_path / "out" / "RESULTS.md").read_text()
    assert sorted(file.name for file in log.parent.iterdir()) == [
        *(f"a-{side}-{turn}.log" for side in ("first", "second") for turn in (1, 2)),
        "c-side-1.log",
    ]
    assert not (tmp_path / "work" / "temporary").exists()

    assert run(monkeypatch, *words, "--only", "b") == 0
    assert load(tmp_path / "out" / "results.json")["a"] == found["a"]
    elsewhere = ["--out", str(tmp_path / "taken"), "--take", str(tmp_path / "out" / "results.json")]
    assert run(monkeypatch, *elsewhere) == 0
    assert load(tmp_path / "taken" / "results.json")["a"] == found["a"]


def test_rows_after_a_broken_one_are_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        command, "ROWS", {"a": Row("", "0", incomplete), "b": Row("", "0", skipped), "c": Row("", "0", interrupted)}
    )
    assert run(monkeypatch, "--workdir", str(tmp_path), "--quick") == 130
    assert "failed: FileNotFoundError" in capsys.readouterr().out
    assert list(load(tmp_path / "results.json")) == ["a", "b"]  # a smoke run's stay in its workdir


def test_a_row_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--only", "seed_jop") == 2
    assert f"got seed_jop; allowed: {', '.join(ROWS)}" in capsys.readouterr().err


@pytest.fixture
def stubbed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    """A bench with everything prepared, whose train.py does nothing."""
    stub = tmp_path / "train.py"
    stub.write_text(STUB)
    monkeypatch.setattr(bench_module, "TRAIN", stub)
    monkeypatch.setattr(Bench, "prepare", lambda self: "12 pictures.")
    work = tmp_path / "work"
    (work / "pictures").mkdir(parents=True)
    (work / "resnet50.pt").touch()
    return Bench(work, repeat=2, quick=True, row="sweep")


def test_a_row_from_command_lines_to_figures(stubbed: Bench) -> None:
    findings = sweep.measure(stubbed)
    (figure,) = findings.figures
    assert figure.value.n == 2
    assert figure.against.startswith("one run: ")
    runs = sorted((stubbed.workdir / "runs").iterdir())
    assert [folder.name for folder in runs] == ["sweep-one-1", "sweep-one-2", "sweep-sweep-1", "sweep-sweep-2"]
    assert not any((folder / "checkpoints").exists() for folder in runs)
    words = (runs[-1] / "words.txt").read_text().splitlines()
    assert words[0] == "-m"
    assert f"data.root={stubbed.workdir / 'pictures'}" in words
    assert "head=linear,mlp" in words
    assert list((stubbed.workdir / "temporary").iterdir()) == []


def test_a_failing_run_is_told_and_leaves_nothing(stubbed: Bench) -> None:
    bench_module.TRAIN.write_text("raise SystemExit('error: no')")
    with pytest.raises(ChildFailedError, match=r"^(one|sweep) ended with code 1 \(error: no\): .*\.log$"):
        sweep.measure(stubbed)
    assert list((stubbed.workdir / "temporary").iterdir()) == []


def test_paths_are_values_of_hydras_grammar() -> None:
    assert quoted(Path("/a/b-c_d.e")) == "/a/b-c_d.e"
    assert quoted(Path("/a b/c,d")) == "'/a b/c,d'"


def test_titles_and_times_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--list") == 0
    printed = capsys.readouterr().out
    assert all(f"{name} " in printed and row.title in printed for name, row in ROWS.items())


def test_results_in_the_repository_are_those_of_the_page() -> None:
    file = command.HERE / "results.json"
    if not file.exists():
        pytest.skip("nothing has been measured yet")
    assert (command.HERE / "RESULTS.md").read_text(encoding="utf-8") == command.page(load(file), command.TITLES)
    assert all("--quick" not in row["command"] for row in json.loads(file.read_text(encoding="utf-8")).values())


def test_the_use_of_a_gpu_is_sampled_meanwhile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    command_file = tmp_path / "nvidia-smi"
    command_file.write_text("#!/bin/sh\nprintf '55\\n[N/A]\\n70\\n'\nexec sleep 60\n")
    command_file.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with gpu.sampled_use() as samples:
        ended = time.monotonic() + 10
        while len(samples) < 2 and time.monotonic() < ended:
            time.sleep(0.01)
    assert [use for _, use in samples] == [55.0, 70.0]
    assert samples[0][0] == pytest.approx(time.time(), abs=20)
