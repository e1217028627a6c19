"""The report: tables in the papers' layout, plots, galleries, one self-contained page."""
