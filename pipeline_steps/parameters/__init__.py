"""What each stage reads of ``params.yaml``: a file a stage, so that one's schema makes no other stale."""
