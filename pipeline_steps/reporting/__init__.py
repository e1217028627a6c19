"""The report: tables in the papers' layout, plots, galleries, one page with its pictures beside it."""
