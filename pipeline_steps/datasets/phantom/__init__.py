"""A procedural phantom of skin photography: six skin types, seven conditions, generic marks.

Masks and concept attributes are exact, because the same numbers draw them.
"""
