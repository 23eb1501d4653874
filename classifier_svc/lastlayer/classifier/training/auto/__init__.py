"""The recipe `auto`: chooses taps and L2 penalty, estimates what to expect, and fits all examples."""
