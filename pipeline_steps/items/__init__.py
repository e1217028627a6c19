"""The content-addressed item store: what was computed once for these inputs is not computed again."""
