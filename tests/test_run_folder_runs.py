import pytest

from artclf.run_folder import ERROR_FILE, outcome_of, runs_of


@pytest.mark.parametrize(
    ("files", "state"),
    [
        ((), "unfinished"),
        (("config.yaml", "progress.json"), "unfinished"),
        (("config.yaml", "metrics.json"), "finished"),
        (("config.yaml", "metrics.json", "progress.json"), "unfinished"),  # killed before its report
        (("config.yaml", "pruned.json"), "pruned"),
        (("config.yaml", ERROR_FILE), "failed"),
        (("config.yaml", "pruned.json", ERROR_FILE), "failed"),
    ],
)
def test_what_became_of_a_run_is_read_from_its_files(tmp_path, files, state):
    for file in files:
        (tmp_path / file).write_text('{"reason": "no GPU"}')
    assert outcome_of(tmp_path).state == state


def test_runs_come_by_number_and_failures_with_their_reasons(tmp_path):
    for name, file in (
        ("10", "metrics.json"),
        ("2", "metrics.json"),
        ("3", ERROR_FILE),
        ("4", "config.yaml"),
        (".submitit", "log"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("no GPU\n")
    finished, others = runs_of(tmp_path)
    assert [run.name for run in finished] == ["2", "10"]
    assert others == {"3": "no GPU", "4": f"it has not finished; resume={tmp_path / '4'} goes on with it"}
