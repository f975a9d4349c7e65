"""A checkpoint that no memory holds, one tensor at a time: read, spectrum, allocate, write."""
