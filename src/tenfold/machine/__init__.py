"""This computer: processes, threads, memory, clocks, the cache, files written whole or not."""
