"""Faces over time: detection, tracks, geometry in the store, crops cut from geometry."""
