from pathlib import Path

import pytest
from omegaconf import OmegaConf

from artclf.errors import ArtclfError
from artclf.training.launch import _typed_again
from tests.conftest import composed, config_of


def test_a_job_of_a_multirun_goes_on_with_its_own_settings_alone(tmp_path: Path) -> None:
    assert _typed_again(composed("seed=1"), tmp_path / "new") is None
    (tmp_path / "config.yaml").write_text(OmegaConf.to_yaml(config_of("seed=1").model_dump(by_alias=True)))
    job = composed("seed=1")
    assert _typed_again(job, tmp_path) is None
    assert job.resume.folder == str(tmp_path)
    with pytest.raises(ArtclfError, match="holds a run of other settings"):
        _typed_again(composed("seed=2"), tmp_path)
    (tmp_path / "metrics.json").write_text('{"best": {"val/loss": 0.5}}')
    assert _typed_again(composed("seed=1"), tmp_path) == {"best": {"val/loss": 0.5}}
