"""Part of the lab whose journals are kept."""
