"""The Open Inference Protocol, version 2: `service_pb2` and its gRPC stubs, in a descriptor pool of their own.

Names such as `inference.ModelInferRequest` are the protocol's, and other programs register them as well: tritonclient
does so in protobuf's default pool, where each name fits once. So these stubs stay out of it (see the Makefile), and one
process can import both.
"""
