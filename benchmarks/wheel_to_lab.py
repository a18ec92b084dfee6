"""From a wheel to a lab that is served: `pip install`, `labwright serve --simulated`, and the service answers.

`python -m benchmarks.wheel_to_lab` builds the wheel of this checkout, makes a new virtual environment, and times the
two commands until `/readyz` says that the lab is ready (limit 60 s). Packages come from pip's index or its cache, so a
slow line counts, too; the times of installing and of starting are printed apart.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
LIMIT_S = 60.0


def main() -> int:
    """Print the times; 1 if the limit is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)],
            check=True,
        )
        (wheel,) = folder.glob("labwright-*.whl")
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
        python = folder / "venv" / "bin" / "python"
        began = time.monotonic()
        install = [str(python), "-m", "pip", "install", "--quiet", str(wheel)]
        subprocess.run(install, check=True, stderr=subprocess.DEVNULL)
        installed_s = time.monotonic() - began
        began = time.monotonic()
        words = [str(folder / "venv" / "bin" / "labwright"), "serve", "--simulated", "--port", "0"]
        with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=folder) as lab:
            assert lab.stderr is not None
            url = next(found[1] for line in lab.stderr if (found := re.search(r"service listens on (\S+)", line)))
            while httpx.get(f"{url}/readyz").status_code != 200:
                time.sleep(0.1)
            started_s = time.monotonic() - began
            lab.send_signal(signal.SIGTERM)
            lab.stderr.read()
    whole_s = installed_s + started_s
    print(f"pip install {installed_s:.1f} s, labwright serve until it is ready {started_s:.1f} s")
    print(f"together {whole_s:.1f} s <= {LIMIT_S:g}  {'PASS' if whole_s <= LIMIT_S else 'MISSED'}")
    return int(whole_s > LIMIT_S)


if __name__ == "__main__":
    raise SystemExit(main())
