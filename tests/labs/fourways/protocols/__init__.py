"""The protocol of the lab of four ways."""
