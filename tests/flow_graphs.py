"""Small pipelines that the flow's tests run, of stages that ``work.py`` does."""

GRAPH = """
stages:
  source:
    cmd: exec python work.py write out/source
    deps: [work.py]
    outs: [out/source]
  left:
    cmd: exec python work.py sleep out/left 1
    deps: [out/source]
    outs: [out/left]
  right:
    cmd: exec python work.py draw out/right
    deps: [out/source]
    outs: [out/right]
  fails:
    cmd: exec python work.py fail out/fails
    deps: [out/source]
    outs: [out/fails]
  needs_it:
    cmd: exec python work.py write out/needs_it
    deps: [out/fails]
    outs: [out/needs_it]
  hangs:
    meta: {hours: 0.002}
    cmd: exec python work.py hang out/hangs
    deps: [out/source]
    outs: [out/hangs]
  starves:
    cmd: exec python work.py starve out/starves
    deps: [out/source]
    outs: [out/starves]
"""
SLOW = """
stages:
  slow:
    cmd: exec python work.py sleep out/slow 4
    deps: [work.py]
    outs: [out/slow]
  after:
    cmd: exec python work.py write out/after
    deps: [out/slow]
    outs: [out/after]
"""
CELLS = """
stages:
  write:
    foreach: [a, b, "3"]
    do:
      cmd: exec python work.py write out/${item}
      deps: [work.py]
      params: [some]
      outs: ["out/${item}"]
"""
FROZEN = """
stages:
  long:
    frozen: true
    cmd: exec python work.py write out/long
    deps: [work.py]
    outs: [{out/long: {cache: false}}]
  short:
    cmd: exec python work.py write out/short
    deps: [out/long]
    outs: [out/short]
"""
