"""An audit of images: what a classifier could cheat with. Loads no torch."""

from typing import Any

import pandas as pd

from artclf.data.facts import Survey
from artclf.data.reader import Canonical
from artclf.evaluation.audit import audit


def audit_survey(survey: Survey, seed: int = 0, canonical: Canonical | None = None) -> dict[str, Any]:
    """Audit images that were decoded, as they are stored and in canonical form.

    Args:
        survey: of all images, or of a random sample of them.
        seed: of the sample, the folds and the forests.
        canonical: the form in which a network is shown them; None: as they are stored.

    Returns:
        The content of audit.json.
    """
    facts = pd.concat([survey.facts, survey.measured], axis=1)
    total = len(survey.manifest.table)
    return {
        **audit(facts, survey.canonical, canonical=canonical.to_json() if canonical else None, seed=seed),
        "images": total,
        "drawn_of": total if survey.opened < total else None,
        "unreadable": len(survey.unreadable),
        "seed": seed,
        "manifest_sha256": survey.manifest.sha256,
    }
