"""The commands; nothing else knows Hydra."""
