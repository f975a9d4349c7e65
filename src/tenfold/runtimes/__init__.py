"""Where networks run: how each runtime is given a file, loads it, runs it and rounds it."""
