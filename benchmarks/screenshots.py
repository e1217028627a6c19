"""Run the flow under a server and photograph its UI: ``python -m benchmarks.screenshots``, into docs/ui_*.png.

Needs Debian's ``chromium``. What is stale runs; ``--force TARGET`` runs a target and what it needs anyway.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from playwright.sync_api import Page, sync_playwright

from flows.server import start_server

DOCS = Path("docs")
PORT = 4271
URL = f"http://127.0.0.1:{PORT}"


def newest(what: str, **body: object) -> dict[str, str]:
    """The newest record of a kind.

    Raises:
        SystemExit: there is none.
    """
    rows = httpx.post(f"{URL}/api/{what}/filter", json={"limit": 1, **body}, timeout=30).json()
    if not rows:
        sys.exit(f"error: the flow left no {what} to photograph, for nothing of it was stale; add --force finetune")
    return dict(rows[0])


def photograph(page: Page, path: str, name: str) -> None:
    """A page of the UI as docs/ui_<name>.png, once it has settled."""
    page.goto(URL + path)
    page.wait_for_timeout(4000)
    page.screenshot(path=DOCS / f"ui_{name}.png")


def main() -> None:
    """Start a server, run the flow, look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", metavar="TARGET", help="run this stage and what it needs, stale or not")
    args = parser.parse_args()
    chromium = shutil.which("chromium") or sys.exit("error: no chromium; apt-get install chromium")
    with TemporaryDirectory() as home:
        os.environ["PREFECT_HOME"] = home
        server = start_server(PORT)
        try:
            options = ["--target", args.force, "--force"] if args.force else []
            started = time.monotonic()
            subprocess.run([sys.executable, "-m", "flows.augment", *options], check=True)
            print(f"the flow took {time.monotonic() - started:.0f} s")
            run = newest("flow_runs", sort="START_TIME_DESC")["id"]
            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                page = browser.new_page(viewport={"width": 1400, "height": 900})
                photograph(page, f"/runs/flow-run/{run}", "run")
                for kind in ("preview", "usage"):
                    key = {"like_": f"{kind}-finetune"}
                    found = newest("artifacts", artifacts={"key": key}, sort="CREATED_DESC")["id"]
                    photograph(page, f"/artifacts/artifact/{found}", kind)
                browser.close()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
