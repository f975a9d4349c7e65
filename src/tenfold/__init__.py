"""tenfold: a trained network, several times smaller and faster, under a budget."""

__version__ = "0.1.0"
