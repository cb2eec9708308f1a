"""Evaluation of sets of images."""
