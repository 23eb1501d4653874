"""The methods of the Classifier service on datasets: their examples, and the feature vectors of those."""
