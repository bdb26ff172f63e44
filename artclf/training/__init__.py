"""One run, from the command line to metrics.json."""
