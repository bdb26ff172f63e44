from artclf.config.several import several_mistakes
from tests.conftest import composed


def found(*words: str, multirun: bool = False, swept: bool = False) -> list[str]:
    return several_mistakes(composed(*words), multirun=multirun, swept=swept)


def test_one_run_may_have_several_devices_and_leave_one_out() -> None:
    assert found("trainer=ddp") == []
    assert found("trainer=ddp", "+holdout=generator", "holdout.leave=alpha") == []
    assert found("+holdout=generator", "holdout.leave=alpha", multirun=True) == []
    assert found("+holdout=style") == []


def test_a_multirun_has_one_device_for_each_run() -> None:
    (line,) = found("trainer=ddp", multirun=True)
    assert line.startswith("trainer.strategy=ddp, trainer.devices=auto: runs on several devices can't be swept")


def test_a_run_for_each_left_out_is_no_multirun_and_has_one_device() -> None:
    (line,) = found("+holdout=style", "trainer.num_nodes=2")
    assert line.startswith("+holdout=style with trainer.num_nodes=2: every process would start all runs again")
    (line,) = found("+holdout=generator", multirun=True)
    assert line.endswith("or sweep with one generator left out in all runs: holdout.leave=NAME")


def test_what_is_left_out_is_the_same_in_all_runs_that_are_compared() -> None:
    (line,) = found("+holdout=style", "holdout.leave=a", multirun=True, swept=True)
    assert line.startswith("holdout can't be swept")
