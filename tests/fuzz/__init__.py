"""A fuzzer of the decoding of images: files of each format, changed where their structure is, each within limits.

`make fuzz` runs it for ten minutes, or for FUZZ_SECONDS. What breaks a limit is written to `fuzz-findings/`.
"""
