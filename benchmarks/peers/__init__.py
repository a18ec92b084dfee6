"""Labwright beside other systems that run laboratories."""
