"""The plain types that the classifier is about."""
