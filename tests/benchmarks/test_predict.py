import sys

import pytest

from benchmarks import predict


def test_both_sides_are_measured_and_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = predict.measure(repeat=2, quick=True)
    assert len(found["ratio"]) == 2
    assert all(ratio > 0 for ratio in found["ratio"])
    assert found["pictures"] == 20
    assert found["command_ratio"] < 1
    assert set(found) == {"ratio", "predict", "network", "command", "command_ratio", "pictures", "precision", "device"}
    monkeypatch.setattr(predict, "measure", lambda *_, **__: found)
    monkeypatch.setattr(sys, "argv", ["predict", "--quick"])
    predict.main()
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 1
    assert "2 rounds of 20 pictures" in printed
