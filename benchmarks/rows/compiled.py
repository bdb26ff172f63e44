"""What torch.compile brings."""

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, SkippedError
from benchmarks.rows.all_layers import FAIR, artclf_speed
from benchmarks.spread import Spread, interleaved, ratios


def measure(bench: Bench) -> Findings:
    """Training all layers with and without, in turn."""
    if not bench.knows("trainer.compile=true"):
        raise SkippedError("train.py has no key trainer.compile")
    pictures = bench.prepare()
    epochs = 2 if bench.quick else 4
    sides = interleaved(
        bench.repeat,
        compiled=lambda _: artclf_speed(bench, epochs, "trainer.compile=true", side="compiled"),
        eager=lambda _: artclf_speed(bench, epochs, "trainer.compile=false", side="eager"),
    )
    speeds = {name: [speed for speed, _ in found] for name, found in sides.items()}
    seconds = {name: [whole for _, whole in found] for name, found in sides.items()}
    figures = [
        Figure(
            "compiled, times faster in later epochs",
            ratios(speeds["compiled"], speeds["eager"]),
            "×",
            None,
            f"compiled: {Spread.of(speeds['compiled']).text('/s')}",
            f"not compiled: {Spread.of(speeds['eager']).text('/s')}",
        ),
        Figure(
            f"compiled, times the seconds of a whole run of {epochs} epochs",
            ratios(seconds["compiled"], seconds["eager"]),
            "×",
            None,
            f"compiled: {Spread.of(seconds['compiled']).text(' s')}",
            f"not compiled: {Spread.of(seconds['eager']).text(' s')}",
        ),
    ]
    return Findings(figures, [f"All layers of ResNet-50, {bench.image_size} px.", FAIR, pictures])
