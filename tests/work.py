"""What the stages of the flow's small test repository do: ``work.py DOES OUT [ARGUMENT]``."""

import resource
import signal
import sys
import time
from pathlib import Path

BARS = ("one:   0%|          | 0/10 [00:00<?, ?it/s]", "one:  50%|#####     | 5/10 [00:01<00:01, 4.00it/s, loss=0.5]")


def main() -> None:
    does, out = sys.argv[1], Path(sys.argv[2])
    print(f"{does} begins", flush=True)
    if does == "draw":
        draw()
    elif does == "sleep":
        time.sleep(float(sys.argv[3]))
    elif does == "fail":
        sys.exit("the reason why")
    elif does == "hang":
        signal.pause()
    elif does == "starve":
        resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))
        bytearray(1 << 30)
    out.parent.mkdir(exist_ok=True)
    out.write_text(does)
    Path("runs").mkdir(exist_ok=True)
    with Path("runs/work.log").open("a") as log:
        log.write(f"{does} {out}\n")


def draw() -> None:
    from PIL import Image

    for bar in BARS:
        sys.stderr.write("\r" + bar)
        sys.stderr.flush()
        time.sleep(0.3)
    sys.stderr.write("\n")
    picture = Path("runs/previews/mini/step-5.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 32), (200, 120, 90)).save(picture)
    print(f"preview: {picture}", flush=True)


if __name__ == "__main__":
    main()
