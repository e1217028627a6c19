"""The sections of the report, one file each: a function from what was found to plain blocks.

A new section is a file here and a row in ``table.py``. How blocks look is the renderers' affair.
"""
