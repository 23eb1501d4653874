"""Labelled images as other programs export them: zip archives, projects of Teachable Machine, tags of Custom Vision."""
