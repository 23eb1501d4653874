"""The studio: a page to collect photos, train and try models, and its HTTP door, in front of the classifier."""
