"""The Python API: what `import s2s` offers."""
