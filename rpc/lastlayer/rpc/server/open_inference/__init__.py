"""The Open Inference Protocol over any models: messages in, messages out. What infers is the service's own code."""
