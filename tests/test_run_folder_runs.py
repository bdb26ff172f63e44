from artclf.run_folder import ERROR_FILE, runs_of


def test_runs_come_by_number_and_failures_with_their_reasons(tmp_path):
    for name, file in (("10", "metrics.json"), ("2", "metrics.json"), ("3", ERROR_FILE), (".submitit", "log")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("no GPU\n")
    finished, failed = runs_of(tmp_path)
    assert [run.name for run in finished] == ["2", "10"]
    assert failed == {"3": "no GPU"}


def test_what_has_not_finished_is_told_and_what_a_search_stopped_is_not(tmp_path):
    for name, files in (
        ("0", ("config.yaml", "metrics.json")),
        ("1", ("config.yaml",)),
        ("2", ("config.yaml", "metrics.json", "progress.json")),  # killed before its report
        ("3", ("config.yaml", "pruned.json")),
        ("5", ("config.yaml", "holdout.json")),  # runs that left something out each, with a page of their own
        ("4", ("config.yaml", "metrics.json", ERROR_FILE)),  # it failed once, and went on
    ):
        (tmp_path / name).mkdir()
        for file in files:
            (tmp_path / name / file).write_text("x")
    finished, others = runs_of(tmp_path)
    assert [run.name for run in finished] == ["0", "4"]
    assert others == {name: f"it has not finished; resume={tmp_path / name} goes on with it" for name in ("1", "2")}
