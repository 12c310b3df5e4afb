"""Widgets that know pictures and numbers but no runs and no models."""
