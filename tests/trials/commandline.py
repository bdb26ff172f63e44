"""Hostile command lines of train.py: each is refused with `error:` lines and exit code 2, or is sound; nothing is made."""

import contextlib
import io
import random
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from artclf.training.launch import check_command_line
from tests.conftest import composed

Line = tuple[list[str], bool | None]  # the words, and whether they have to be refused; None: either

NO_NUMBER = ["nan", "inf", "-inf", "abc", "[1,2]", "{a:1}", "''", "0x10", "1__0", "٣", "--1", "$(id)", "${nope}", "1e", "true"]
WRONG = {  # the type of a default → what no such key may be
    int: [*NO_NUMBER, "0.5", "-7", "1e20", str(10**30), "-1e400", "'3'"],
    float: [*NO_NUMBER, "-0.5", "1e39", "-1e308", "'0.1'"],
    bool: ["maybe", "2", "nan", "[true]", "{}", "'true'", "null", "${nope}", "yes"],
    str: ["[a]", "{a:1}", "null", "${nope}", "nan", "true", "5"],
}


def _items(text: str) -> list[str]:
    return text.split(" ¦ ")


FOLDERS = _items(
    "Gemälde ¦ 浮世絵 ¦ Monet (1) ¦ a,b ¦ O'Keeffe ¦ #1 ¦ R&D ¦ 1900 ¦ 2024-05-01 ¦ lr=1e-3 ¦ ~/art ¦ a:b ¦ [x] ¦ {y} ¦ "
    'C:\\Users\\me\\Gemälde ¦ say "cheese" ¦  spaced  ¦ a\\ ¦ 🎨 ¦ 100% ¦ true ¦ 1e5 ¦ a;b|c ¦ *? ¦ $HOME ¦ é ¦ '
    "`x`"
)
IMPOSSIBLE = ["x" * 300, "/".join(["long"] * 1200), "ä" * 200, "a\0b"]
TARGETS = _items(
    "os.system ¦ builtins.eval ¦ builtins.exec ¦ subprocess.Popen ¦ nope ¦ nope.Nope ¦ a..b ¦ .x ¦ x. ¦  ¦ os ¦ 5 ¦ "
    "null ¦ [os.system] ¦ {a:1} ¦ ${nope} ¦ lightning ¦ lightning.pytorch.Trainer ¦ "
    "lightning.pytorch.callbacks._Hidden ¦ torch.load ¦ lightning.pytorch.callbacks.Callback.setup ¦ pathlib.Path ¦ "
    "artclf.errors.ArtclfError ¦ Gemälde.x ¦ a b ¦ __import__('os')"
)
SECTIONS = _items(
    "callbacks.best ¦ callbacks.early_stopping ¦ callbacks.x ¦ callbacks.best.x ¦ logger.x ¦ head ¦ loss ¦ model ¦ data ¦ "
    "seed ¦ stages.head ¦ trainer ¦ monitor ¦ hydra.launcher ¦ hydra.sweeper ¦ hydra.callbacks.x"
)
FLAGS = _items(
    "--resolve ¦ --cfg ¦ --cfg nope ¦ --info nope ¦ --package ¦ --package data ¦ --config-dir=/nowhere ¦ "
    "--config-name=x ¦ --config-name ¦ --config-path=/nowhere ¦ --nope ¦ -x ¦ --multirum ¦ --- ¦ - ¦ --seed=1 ¦ "
    "-m --cfg job ¦ --run --multirun ¦ --info all --cfg job ¦ "
    "--cfg job --package nope ¦ --cfg=job data.root=${nope} --resolve ¦ --experimental-rerun=/nowhere"
)
GRAMMAR = _items(
    "=x ¦  ¦   ¦ a= ¦ == ¦ = ¦ ++x=1 ¦ +x ¦ ~ ¦ ~~data ¦ + ¦ ++ ¦ ~nope ¦ seed ¦ seed=0,,1 ¦ seed=( ¦ seed=) ¦ a b=1 ¦ "
    "dätä.root=1 ¦ seed =1x ¦ seed:1 ¦ data..root=x ¦ .seed=1 ¦ seed.=1 ¦ seed.x=1 ¦ [0]=1 ¦ seed@x=1 ¦ "
    "model@data=resnet50 ¦ ~stages ¦ ~stages.head ¦ ~data ¦ ~model.name ¦ ~augment=[1,2] ¦ ~seed=5 ¦ ~head.dropout ¦ "
    "~hydra ¦ ~hydra.run.dir ¦ ~loss ¦ +model=resnet50 ¦ +model=[resnet50,resnet50] ¦ model=[resnet50] ¦ model={a:1} ¦ "
    "model= ¦ data=null ¦ head=null ¦ stages=[] ¦ model.name=${model.name} ¦ seed=${seed} ¦ seed=${monitor} ¦ "
    "data=${data} ¦ data.root=${oc.env:NOPE} ¦ seed=${ ¦ seed=${hydra:nope} ¦ seed=choice( ¦ seed=nofunction(1) ¦ "
    "seed=range(1) ¦ seed=int(abc) ¦ seed=sort(3,1,2 ¦ seed=glob(*) ¦ seed='1 ¦ seed=\" ¦ seed=\\ ¦ hydra.verbose=5 ¦ "
    "hydra.verbose={a:1} ¦ hydra.run.dir= ¦ hydra.run.dir=${nope} ¦ hydra.run.dir=[a] ¦ hydra.sweep.dir= ¦ "
    "hydra.nope=1 ¦ hydra=5 ¦ hydra.run=5 ¦ hydra.job.name=null ¦ hydra.mode=NOPE ¦ "
    "hydra.job_logging.root.level=LOUD ¦ hydra/launcher=nope ¦ nope=1 ¦ hydra/job_logging=nope ¦ hydra.callbacks=5 ¦ "
    "hydra.searchpath=[nope] ¦ hydra.sweeper=5 ¦ hydra.output_subdir=5/../.. ¦ hydra/nope=x ¦ \u202eseed=1 ¦ "
    "seed=\ufeff1 ¦ sеed=1 ¦ seed=1\n ¦ seed=1\x00 ¦ seed=\udcff ¦ callbacks.best.monitor=null ¦ callbacks=5 ¦ "
    "logger=[] ¦ callbacks.best=5 ¦ stages.head=null ¦ stages.head=[1] ¦ trainer=5 ¦ +stages.a/b={} ¦ +stages.x=1 ¦ "
    "+callbacks.x=1 ¦ +callbacks.x={} ¦ +head.name.x=1 ¦ +trainer.max_epochs=5 ¦ +data.demo.x=1 ¦ resume= ¦ "
    "resume=/nowhere ¦ resume=null ¦ resume=[a] ¦ resume.folder=5 ¦ pruning={storage:5,trial:-1} ¦ +holdout=nope ¦ "
    "holdout=5"
)
GRAMMAR += ["seed=" + "9" * 400, "seed=" + "[" * 400, "x" * 5000]
OPTIONS = {  # class of Lightning's → options that it can't have
    "callbacks.EarlyStopping": "monitor=val/nothing ¦ patience=-1 ¦ patience=1.5 ¦ min_delta=nan ¦ mode=up ¦ strict=5",
    "callbacks.ModelCheckpoint": "monitor=nope ¦ save_top_k=-5 ¦ save_top_k=x ¦ every_n_epochs=-1 ¦ filename=../x ¦ mode=5",
    "callbacks.Timer": "duration=nope ¦ interval=hour ¦ duration=[1] ¦ verbose=3",
    "callbacks.RichProgressBar": "refresh_rate=-1 ¦ refresh_rate=x ¦ leave=5 ¦ theme=dark",
    "callbacks.LearningRateMonitor": "logging_interval=year ¦ logging_interval=5 ¦ log_momentum=x",
    "callbacks.GradientAccumulationScheduler": "scheduling=5 ¦ scheduling={a:b} ¦ scheduling={}",
    "callbacks.StochasticWeightAveraging": "swa_lrs=nan ¦ swa_lrs=-1 ¦ swa_lrs=x",
    "loggers.CSVLogger": "save_dir=5 ¦ flush_logs_every_n_steps=x ¦ flush_logs_every_n_steps=-1 ¦ nope=1",
}
# That may be taken; all others have to be refused.
SOUND = _items(
    "hydra.output_subdir=5/../.. ¦ hydra.run.dir=[a] ¦ ~head.dropout ¦ +model=[resnet50,resnet50] ¦ model=[resnet50]"
)


def _keys() -> Iterator[tuple[str, Any]]:
    """The keys of the default configuration that hold plain values, with these."""

    def walk(values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
        for key, value in values.items():
            if isinstance(value, dict):
                yield from walk(value, f"{prefix}{key}.")
            else:
                yield f"{prefix}{key}", value

    plain = OmegaConf.to_container(composed("loss=focal", "monitor.metric=val/loss"), resolve=True)
    assert isinstance(plain, dict)
    yield from walk({str(key): value for key, value in plain.items()}, "")


def _wrong_value(draw: random.Random) -> Line:
    key, default = draw.choice(
        [(key, value) for key, value in _KEYS if type(value) in WRONG and not key.endswith(("_target_", "weights"))]
    )
    extra = ["loss=focal"] if key.startswith("loss.") else []
    return [*extra, f"{key}={draw.choice(WRONG[type(default)])}"], True


def _misspelt(draw: random.Random) -> Line:
    key, _ = draw.choice(_KEYS)
    at = draw.randrange(len(key))
    wrong = draw.choice([key[:at] + key[at + 1 :], key[:at] + "x" + key[at:], key.upper(), key + ".x", key + "/x"])
    return [f"{draw.choice(['', '+', '++'])}{wrong}=1"], True


def _target(draw: random.Random) -> Line:
    section = draw.choice(SECTIONS)
    return [f"{draw.choice(['', '+', '++'])}{section}._target_={draw.choice(TARGETS)}"], True


def _option(draw: random.Random) -> Line:
    kind, options = draw.choice(list(OPTIONS.items()))
    needed = {"EarlyStopping": {"monitor": "val/loss"}, "CSVLogger": {"save_dir": "x"}}
    key, value = draw.choice(_items(options)).split("=", 1)
    pairs = needed.get(kind.split(".")[1], {}) | {key: value}
    text = ",".join(f"{key}:{value}" for key, value in pairs.items())
    group = "logger" if kind.startswith("loggers") else "callbacks"
    return [f"+{group}.mine={{_target_:lightning.pytorch.{kind},{text}}}"], True


def _folder(draw: random.Random) -> Line:
    key = draw.choice(["data.root", "data.csv", "model.weights", "hydra.run.dir", "hydra.sweep.dir", "data.root"])
    needs = {"data.root": ["data=folder"], "data.csv": ["data=csv"]}.get(key, [])
    if draw.random() < 0.2:
        return [*needs, f"{key}={draw.choice(['', '/data/', 'a/'])}{draw.choice(IMPOSSIBLE)}"], True
    return [*needs, f"{key}={draw.choice(['', '/data/', './'])}{draw.choice(FOLDERS)}"], False  # whatever it is called


def _several(draw: random.Random) -> Line:
    lines = [draw.choice(KINDS[:5])(draw) for _ in range(draw.randint(2, 4))]
    words = [word for own, _ in lines for word in own]
    draw.shuffle(words)
    once = len({word.lstrip("+").split("=")[0] for word in words}) == len(words)  # else the last one counts
    return words, True if once and any(refused for _, refused in lines) else None


def _flag(draw: random.Random) -> Line:
    words = [draw.choice(["seed=1", "data.image_size=64", "model=resnet50"]), *draw.choice(FLAGS).split()]
    return [*words, "head=linear"], True


def _grammar(draw: random.Random) -> Line:
    word = draw.choice(GRAMMAR)
    return [word], None if word in SOUND else True


def _multirun(draw: random.Random) -> Line:
    words, _ = draw.choice([_wrong_value, _misspelt, _option])(draw)
    words.insert(draw.randint(0, len(words)), "seed=0,1")
    words.insert(draw.randint(0, len(words)), draw.choice(["-m", "--multirun"]))
    return words, None if any(word.startswith("seed=") and word != "seed=0,1" for word in words) else True


KINDS: list[Callable[[random.Random], Line]]
KINDS = [_wrong_value, _misspelt, _target, _option, _folder, _grammar, _flag, _multirun, _several]
_KEYS: list[tuple[str, Any]] = []


def _fault(words: list[str], *, refused: bool | None) -> str | None:
    """What is wrong with the answer to a command line; None where all is well."""
    GlobalHydra.instance().clear()
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            check_command_line(words)
    except SystemExit as end:
        lines = said.getvalue().splitlines()
        if end.code != 2:
            return f"exit code {end.code}: {lines}"
        if not lines or not all(line.startswith("error: ") and 15 < len(line) < 1000 for line in lines):
            return f"not one line of ours each: {lines}"
        return f"refused: {lines}" if refused is False else None
    except Exception:  # noqa: BLE001 (any is a traceback)
        return traceback.format_exc().splitlines()[-1][:200]
    return "taken" if refused else None


def run(count: int, seed: int) -> tuple[int, list[str]]:
    """Try command lines. Returns how many, and a line for each that was answered wrongly."""
    draw = random.Random(seed)
    if not _KEYS:
        _KEYS.extend(_keys())
    lines = [KINDS[number % len(KINDS)](draw) for number in range(count)]
    failed = []
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        for words, refused in lines:
            if fault := _fault(words, refused=refused):
                failed.append(f"{words!r:.300}: {fault}")
            if made := sorted(path.name for path in Path(place).iterdir()):
                failed.append(f"{words!r:.300}: made {made}")
                for name in made:
                    Path(name).unlink()
    return len(lines), failed
