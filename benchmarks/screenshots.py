"""Run the flow under a server and photograph its UI: ``python -m benchmarks.screenshots``, into docs/ui_*.png.

Needs Debian's ``chromium``. What is stale runs; ``--force TARGET`` runs a target and what it needs anyway.
``--toy`` runs the toy profile in a clone of its own, once well, once with a split that asks for too many images and
once with other parameters: docs/terminal_run.svg and docs/terminal_failed.svg (the terminal), docs/ui_start.png (stages
to come), docs/ui_failed.png (the failed run) and docs/compared.png (the first and the third run compared).
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from playwright.sync_api import Page, sync_playwright

from flows.server import start_server, stop_server

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


def photograph(page: Page, path: str, name: str, tab: str = "") -> None:
    """A page of the UI as docs/ui_<name>.png, once it has settled."""
    page.goto(URL + path)
    if tab:
        page.get_by_text(tab, exact=True).click()
    page.wait_for_timeout(4000)
    page.screenshot(path=DOCS / f"ui_{name}.png")


@contextmanager
def browser_page() -> Iterator[Page]:
    """A page of a headless Chromium."""
    chromium = shutil.which("chromium") or sys.exit("error: no chromium; apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser.new_page(viewport={"width": 1400, "height": 900})
        browser.close()


def last_run() -> str:
    """The address of the newest flow run."""
    return f"/runs/flow-run/{newest('flow_runs', sort='START_TIME_DESC')['id']}"


def photograph_flow(options: list[str]) -> None:
    """The run of this clone's pipeline, with an artifact of its training."""
    started = time.monotonic()
    subprocess.run([sys.executable, "-m", "flows.augment", *options], check=True)
    print(f"the flow took {time.monotonic() - started:.0f} s")
    with browser_page() as page:
        photograph(page, last_run(), "run")
        for kind in ("preview", "usage"):
            key = {"like_": f"{kind}-finetune"}
            found = newest("artifacts", artifacts={"key": key}, sort="CREATED_DESC")["id"]
            photograph(page, f"/artifacts/artifact/{found}", kind)


def photograph_toy(clone: Path) -> None:
    """A run that goes well, one that fails, what is to come, and two compared, at toy scale in a new ``clone``."""
    subprocess.run(["git", "clone", "-q", ".", str(clone)], check=True)
    for key, value in {"user.name": "screens", "user.email": "screens@localhost"}.items():  # -S saves an experiment
        subprocess.run(["git", "config", key, value], cwd=clone, check=True)
    subprocess.run([sys.executable, "-m", "pipeline_steps.configure", "toy"], cwd=clone, check=True)
    screen = [sys.executable, "-m", "benchmarks.terminal_screen"]
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    with browser_page() as page:
        running = subprocess.Popen([*screen, str(DOCS.resolve() / "terminal_run.svg")], cwd=clone, env=environment)
        while not httpx.post(f"{URL}/api/task_runs/filter", json={}, timeout=30).json():
            time.sleep(0.5)
        time.sleep(2)
        photograph(page, last_run(), "start", "Task Runs")
        if running.wait():
            sys.exit("error: the toy run failed")
        failing = [*screen, str(DOCS.resolve() / "terminal_failed.svg"), "split.flexible_per_condition=9999"]
        subprocess.run(failing, cwd=clone, env=environment, check=True)
        photograph(page, last_run(), "failed", "Task Runs")
        _compare(clone, environment)
        photograph_comparison(page, clone / "runs/comparison.html")


def photograph_comparison(page: Page, file: Path) -> None:
    """What was changed, and what it did on the first partition, as docs/compared.png."""
    page.goto(file.absolute().as_uri())
    page.screenshot(path=DOCS / "compared.png", full_page=True, clip={"x": 0, "y": 0, "width": 1180, "height": 1660})


def _compare(clone: Path, environment: dict[str, str]) -> None:
    """Write the page that compares what ``clone`` holds with a run whose classifiers are trained for longer."""
    for command in (
        ["git", "commit", "-qam", "as the toy profile has it"],
        [sys.executable, "-m", "flows.augment", "-S", "classifier.updates=40", "--name", "longer"],
        [sys.executable, "-m", "pipeline_steps.compare", "HEAD", "longer", "--page", "runs/comparison.html"],
    ):
        subprocess.run(command, cwd=clone, env=environment, check=True)


def main() -> None:
    """Start a server, run the flow, look."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--force", metavar="TARGET", help="run this stage and what it needs, stale or not")
    parser.add_argument("--toy", action="store_true", help="the terminal and a failed run, at toy scale")
    args = parser.parse_args()
    with TemporaryDirectory() as home:
        os.environ["PREFECT_HOME"] = home
        server = start_server(PORT)
        try:
            if args.toy:
                photograph_toy(Path(home, "equiderm"))
            else:
                photograph_flow(["--target", args.force, "--force"] if args.force else [])
        finally:
            stop_server(server)


if __name__ == "__main__":
    main()
