from artclf.report.multirun_folder import ERROR_FILE, runs_of


def test_runs_come_by_number_and_failures_with_their_reasons(tmp_path):
    for name, file in (("10", "metrics.json"), ("2", "metrics.json"), ("3", ERROR_FILE), (".submitit", "log")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("no GPU\n")
    finished, failed = runs_of(tmp_path)
    assert [run.name for run in finished] == ["2", "10"]
    assert failed == {"3": "no GPU"}
