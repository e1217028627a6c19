"""Orchestration: knows stage names only; imports neither torch nor pipeline_steps."""
