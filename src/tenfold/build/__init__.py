"""Plan -> model': rebuilt with stock layers, fitted layer by layer, refined together."""
