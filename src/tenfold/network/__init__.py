"""Somebody's network as a guest: called, copied, widened, told from others; nested inputs."""
