"""What is measured: of classifiers, of generated images, of segmenters. A table each, and a row a measure.

A measure is a file here and a row in its ``table.py``. The stages ``evaluate`` and ``score_fid`` compute what the
tables hold, and the report, its leaderboard, the summary and the benchmark pages show it.
"""
