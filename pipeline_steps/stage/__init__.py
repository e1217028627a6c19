"""What every stage needs around its work: parameters, whole writes, progress, the run log."""
