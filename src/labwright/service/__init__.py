"""The lab's front door: a process of its own that serves people and programs over HTTP, and never opens a device.

It writes commands and reads what the controller has recorded; it may end or hang without the lab noticing.
"""
