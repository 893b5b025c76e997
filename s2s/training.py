"""The loop, the optimizer, checkpoints."""
