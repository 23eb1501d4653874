"""Whole models as files for other programs: a network with a head on it, converted, run again and compared."""
