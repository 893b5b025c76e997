"""What training leaves and decoding reads: the folder, its config, checkpoints and metrics."""
