"""Drivers of the lab of four ways; ne1000 and vici are the reference lab's own files."""
