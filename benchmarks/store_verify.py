"""Processor time of `labwright store verify`: `python -m benchmarks.store_verify var/demo`, after `make demo`.

User and system time of the command and of all processes that it starts; at most 10 s for the 915 documents of the demo.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys

LIMIT_S, DOCUMENTS = 10.0, 915


def main() -> int:
    """Measure and print; 1 if it differs or takes too long."""
    data = sys.argv[1]
    sync = [sys.executable, "-m", "labwright", "store", "sync", "--data", data]
    subprocess.run(sync, check=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "labwright", "store", "verify", "--data", data, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    documents = json.loads(done.stdout.splitlines()[0])["documents"]
    limit_s = LIMIT_S * max(1.0, documents / DOCUMENTS)
    print(f"store verify: {took_s:.1f} s of processor time for {documents} documents (limit {limit_s:.1f} s)")
    return int(done.returncode != 0 or took_s > limit_s)


if __name__ == "__main__":
    raise SystemExit(main())
