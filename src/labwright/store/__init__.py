"""The data store: an embedded Tiled catalogue, fed from the journal by a process of its own."""

from labwright.store.broker import open_store, verify
from labwright.store.comparing import Comparison
from labwright.store.uploader import Uploader, UploadSummary

__all__ = ["Comparison", "UploadSummary", "Uploader", "open_store", "verify"]
