"""The choices of s2s: YAML files, packaged as s2s.conf."""
