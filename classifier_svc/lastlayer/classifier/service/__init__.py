"""The Classifier service: messages in, messages out."""
