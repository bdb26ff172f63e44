"""What torch.compile brings."""

from benchmarks.bench import Bench
from benchmarks.results import Figure, Findings, interleaved, ratios, text
from benchmarks.rows.all_layers import FAIR, artclf_speed


def measure(bench: Bench) -> Findings:
    """Training all layers with and without, in turn."""
    pictures = bench.prepare()
    epochs = 2 if bench.quick else 4
    found = interleaved(
        bench.repeat,
        compiled=lambda: artclf_speed(bench, epochs, "trainer.compile=true", side="compiled"),
        eager=lambda: artclf_speed(bench, epochs, "trainer.compile=false", side="eager"),
    )
    figures = []
    for what, unit, of in (
        ("faster in later epochs", "/s", {name: [speed for speed, *_ in each] for name, each in found.items()}),
        (
            f"the seconds of a whole run of {epochs} epochs",
            " s",
            {name: [run.process.seconds for *_, run in each] for name, each in found.items()},
        ),
    ):
        compiled, eager = of["compiled"], of["eager"]
        sides = (f"compiled: {text(compiled, unit)}", f"not compiled: {text(eager, unit)}")
        figures.append(Figure(f"compiled, times {what}", ratios(compiled, eager), "×", None, *sides))
    return Findings(figures, [f"All layers of ResNet-50, {bench.image_size} px.", FAIR, pictures])
