"""The images of datasets: examples, which have labels, and those in pools, which wait for one."""
