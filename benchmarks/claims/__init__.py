"""One script for each claim: ``python -m benchmarks.claims.NAME``."""
