"""model' -> file: traced, fused, quantised if asked, written, read back, compared, then named."""
