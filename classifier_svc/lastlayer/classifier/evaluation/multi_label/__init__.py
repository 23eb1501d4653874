"""How good predictions of several labels are: metrics, thresholds, calibration, and which labels are in doubt."""
