"""From batches to a logit."""
