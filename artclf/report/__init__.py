"""Plots and pages, from what run folders hold."""
