"""Wires of simulated instruments, as sockets."""

import gc
import socket
import warnings

from labwright.hardware.mqtt import LoopThread
from labwright.simulation.wires import TcpWire


def test_a_connection_that_comes_as_the_wire_ends_is_closed() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(20):
            thread = LoopThread("wire")
            wire = TcpWire([], lambda *_: None)
            thread.run(wire.start())
            with socket.create_connection(("127.0.0.1", wire.tcp_port)):
                thread.run(wire.stop())
                thread.close()
        del wire, thread
        gc.collect()
    assert [str(one.message) for one in told if "socket" in str(one.message)] == []
