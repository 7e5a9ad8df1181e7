"""Experiments: what a design choice does to a trained model, with seeds and spread."""
