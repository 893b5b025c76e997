"""Colours that people who see few colours can tell apart (Okabe and Ito 2008)."""

VERMILION, BLUE = "#D55E00", "#0072B2"
COLOURS = (VERMILION, BLUE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""For the lines of a chart, in this order in every picture; marks and dashes tell lines apart as well."""
