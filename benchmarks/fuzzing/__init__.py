"""Damaged files in great number: what a person hands over loads, or is refused in a sentence."""
