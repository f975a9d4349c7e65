"""Batches as people have them, and inputs made where there are none."""
