"""The translator: text in, text out; packed models and ensembles."""
