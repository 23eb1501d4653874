"""The documentation: parts of pages that are made from the code, the reference, and the site of it all."""
