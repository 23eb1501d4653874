"""Processes that decode what could run away, with a limit of memory and of processor time; they can be killed."""
