"""Tells people and programs outside what happens to their requests: webhooks and mail, both from one outbox."""
