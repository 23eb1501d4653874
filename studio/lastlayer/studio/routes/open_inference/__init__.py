"""The Open Inference Protocol over HTTP: what KServe and Triton call `/v2`."""
