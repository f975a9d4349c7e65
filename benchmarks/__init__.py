"""Scripts behind the numbers of the README and the guides; see ``benchmarks/README.md``."""
