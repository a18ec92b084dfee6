"""No-op steps through MADSci's own managers and nodes; runs where MADSci is installed, and imports nothing of ours.

A request as JSON on standard input: ``chain`` (steps of one workflow), ``stations``, and ``settings`` of the workcell
manager beyond its defaults. The answer is one line of JSON: when each step's action was carried out, in seconds. Nodes,
location, data and workcell manager are processes of their own that speak HTTP; what would be Valkey and FerretDB are
MADSci's own in-memory handlers, so no server has to be installed. Annotations are not postponed here: MADSci reads
those of an action as objects.
"""

import json
import multiprocessing
import os
import socket
import sys
import time
from importlib.metadata import version
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

ANSWER = os.dup(1)
os.dup2(2, 1)  # what the managers print is not the answer

CALLS = Path("calls").absolute()


def free_port() -> int:
    """A port that no process listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def url(port: int) -> str:
    """Of a server here."""
    return f"http://127.0.0.1:{port}/"


def wait_for(port: int, process: BaseProcess, seconds: float = 120) -> None:
    """Until a process answers at its port.

    Raises:
        RuntimeError: it ended, or does not answer in time.
    """
    until_s = time.perf_counter() + seconds
    while time.perf_counter() < until_s:
        if process.exitcode is not None:
            raise RuntimeError(f"{process.name} ended with {process.exitcode}")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{process.name} does not answer after {seconds:g} s")


def calls() -> list[float]:
    """When actions were carried out; `time.perf_counter` is one for all processes of a machine."""
    return [float(word) for word in CALLS.read_text().split()] if CALLS.exists() else []


def node(name: str, port: int) -> None:
    """A station with one action."""
    from madsci.common.types.node_types import RestNodeConfig
    from madsci.node_module.helpers import action
    from madsci.node_module.rest_node_module import RestNode

    class Station(RestNode):
        """Does nothing."""

        @action  # type: ignore[untyped-decorator,unused-ignore]
        def noop(self) -> None:
            """Note the time."""
            with CALLS.open("a") as file:
                file.write(f"{time.perf_counter()}\n")

    config = RestNodeConfig(node_url=url(port), node_name=name, enable_registry_resolution=False)
    Station(node_config=config).start_node()


def manager(kind: str, port: int, settings: dict[str, Any]) -> None:
    """One of MADSci's managers, with what it keeps in memory."""
    import uvicorn
    from madsci.common.db_handlers.cache_handler import InMemoryCacheHandler
    from madsci.common.db_handlers.document_storage_handler import InMemoryDocumentStorageHandler

    handlers: dict[str, Any] = {"document_handler": InMemoryDocumentStorageHandler(database_name=kind)}
    if kind == "data":
        from madsci.common.types.datapoint_types import DataManagerSettings
        from madsci.data_manager.data_server import DataManager

        made, chosen = DataManager, DataManagerSettings
    elif kind == "location":
        from madsci.common.types.location_types import LocationManagerSettings
        from madsci.location_manager.location_server import LocationManager

        made, chosen = LocationManager, LocationManagerSettings
    else:
        from madsci.common.types.workcell_types import WorkcellManagerSettings
        from madsci.workcell_manager.workcell_server import WorkcellManager

        made, chosen = WorkcellManager, WorkcellManagerSettings
    if kind != "data":
        handlers["cache_handler"] = InMemoryCacheHandler()
    one = made(settings=chosen(server_url=url(port), enable_registry_resolution=False, **settings), **handlers)
    uvicorn.run(one.create_server(), host="127.0.0.1", port=port, log_level="warning")


def main() -> None:
    """Start all, run a chain and then one step at each station, and answer."""
    request = json.load(sys.stdin)
    names = [f"s{number}" for number in range(request["stations"])]
    ports = {name: free_port() for name in [*names, "location", "data", "workcell"]}
    for kind in ("location", "data", "workcell"):
        os.environ[f"{kind.upper()}_SERVER_URL"] = url(ports[kind])

    from madsci.client.workcell_client import WorkcellClient
    from madsci.common.types.step_types import StepDefinition
    from madsci.common.types.workflow_types import WorkflowDefinition

    spawn = multiprocessing.get_context("spawn")
    settings = {"nodes": {name: url(ports[name]) for name in names}, "workcells_directory": str(CALLS.parent)}
    groups: list[dict[str, tuple[Any, tuple[Any, ...]]]] = [
        {name: (node, (name, ports[name])) for name in names}
        | {kind: (manager, (kind, ports[kind], {})) for kind in ("location", "data")},
        {"workcell": (manager, ("workcell", ports["workcell"], settings | request["settings"]))},
    ]
    processes: list[Any] = []
    try:
        for group in groups:  # the workcell manager asks its nodes as it starts
            begun = {name: spawn.Process(target=run, args=args, name=name) for name, (run, args) in group.items()}
            processes += begun.values()
            for process in begun.values():
                process.start()
            for name, process in begun.items():
                wait_for(ports[name], process)
        client = WorkcellClient(url(ports["workcell"]))

        def submit(name: str, stations: list[str]) -> None:
            steps = [StepDefinition(name=f"t{k}", node=station, action="noop") for k, station in enumerate(stations)]
            workflow = WorkflowDefinition(name=name, steps=steps)
            client.start_workflow(workflow, await_completion=False, prompt_on_error=False)

        def wait_until(number: int, seconds: float) -> None:
            until_s = time.perf_counter() + seconds
            while len(calls()) < number:
                if time.perf_counter() > until_s:
                    raise RuntimeError(f"{len(calls())} of {number} steps in {seconds:g} s")
                time.sleep(0.02)

        submit("chain", [names[0]] * request["chain"])
        wait_until(request["chain"], 30 * request["chain"])
        chain = calls()
        for name in names:
            submit(name, [name])
        wait_until(len(chain) + len(names), 30 * len(names))
        answer = {"version": version("madsci.workcell_manager"), "chain_s": chain, "many_s": calls()[len(chain) :]}
        os.write(ANSWER, json.dumps(answer).encode() + b"\n")
    finally:
        for process in processes:
            if process.pid is not None:
                process.terminate()
        for process in processes:
            if process.pid is not None:
                process.join(10)


if __name__ == "__main__":
    main()
