"""Moved to app.files, which every package may use."""
