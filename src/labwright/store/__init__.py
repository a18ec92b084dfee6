"""The data store: an embedded Tiled catalogue, fed from the journal by a process of its own."""

from labwright.store.broker import missing, open_store
from labwright.store.uploader import Uploader, UploadSummary

__all__ = ["UploadSummary", "Uploader", "missing", "open_store"]
