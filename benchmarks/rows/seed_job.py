"""The seed study's job: artclf with an empty cache against plain Lightning."""

from dataclasses import dataclass
from statistics import NormalDist, median

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, Spread, Target, interleaved, number, ratios, text

Z95 = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True)
class Side:
    """Seconds from the process's start to its figures, the figures of the test, and a note."""

    seconds: float
    test: dict[str, float]
    note: str = ""

    def __str__(self) -> str:
        """Accuracy and AUROC."""
        accuracy, auroc, n = (self.test[name] for name in ("accuracy", "auroc", "n"))
        return f"accuracy {accuracy:.3f}, AUROC {auroc:.3f} on {n:.0f} images"


def measure(bench: Bench) -> Findings:
    """Both in turn, to the end."""
    pictures = bench.prepare()
    sides = interleaved(bench.repeat, artclf=lambda: artclf_job(bench), plain=lambda: plain_job(bench))
    artclf, plain = sides["artclf"], sides["plain"]
    ours, theirs = ([side.seconds for side in found] for found in (artclf, plain))
    run_all = (bench.plain_epochs or bench.epochs) >= bench.epochs
    reckoned = "" if run_all else f" ({bench.plain_epochs} of {bench.epochs} epochs run, the others reckoned)"
    against = f"plain Lightning{reckoned}: {text(theirs, ' s')}"
    figures = [Figure("seed's job, times faster", ratios(theirs, ours), "×", Target("≥", 25), text(ours, " s"), against)]
    notes = [
        f"{bench.epochs} epochs of the head and {bench.epochs} of the last ten layers, {bench.image_size} px, batch 32, early "
        "stopping off in both; ARTCLF_CACHE is an empty folder each time. Weights: a state dict that both load, from a short "
        "run on the demo images, since ImageNet's can't be had everywhere.",
        f"artclf's test: {artclf[0]}.",
        f"plain Lightning's: {plain[0]}." if run_all else "plain Lightning's accuracy is given only where it runs all epochs.",
        f"plain Lightning: {plain[0].note}.",
        pictures,
    ]
    if run_all:
        figures.append(_difference(artclf, plain))
    return Findings(figures, notes)


def _difference(artclf: list[Side], plain: list[Side]) -> Figure:
    """How far apart the test accuracies are, in points; the target is the 95% interval of no difference.

    The interval takes the two sides for independent; the images are the same, so that the true one is narrower.
    """
    points = [abs(a.test["accuracy"] - p.test["accuracy"]) * 100 for a, p in zip(artclf, plain, strict=True)]
    a, p = (median(side.test["accuracy"] for side in sides) for sides in (artclf, plain))
    pooled = (a + p) / 2
    chance = Z95 * (2 * pooled * (1 - pooled) / artclf[0].test["n"]) ** 0.5 * 100
    against = f"plain Lightning: {p:.3f}; the target is what is chance on so many images"
    return Figure("test accuracies differ by", Spread.of(points), " points", Target("≤", round(chance, 1)), f"{a:.3f}", against)


def artclf_job(bench: Bench) -> Side:
    """artclf's side, with an empty cache: to metrics.json."""
    with bench.temporary() as cache:
        run = bench.train("artclf", [*bench.job, *bench.two_stages()], cache)
    return Side((run.folder / "metrics.json").stat().st_mtime - run.process.began, run.metrics["splits"]["test"])


def plain_job(bench: Bench) -> Side:
    """Plain Lightning's side; where it runs but some of the epochs, the others are reckoned as those were."""
    only = min(bench.plain_epochs or bench.epochs, bench.epochs)
    stages = ["head", "last10"]
    found, done = bench.call(
        "plain", "peers.plain_lightning.run", **bench.peer, stages=stages, epochs=bench.epochs, only_epochs=only
    )
    seconds = found["written"] - done.began
    notes = []
    for stage, clocks in found["epochs"].items():
        # the first epoch starts the workers: it counts only where it is the only one
        each = median(clock["end"] - clock["start"] for clock in clocks[1:] or clocks)
        seconds += (bench.epochs - only) * each
        notes.append(f"{number(each)} s an epoch of stage {stage}, validation included")
    return Side(seconds, found["test"], ", ".join(notes))
