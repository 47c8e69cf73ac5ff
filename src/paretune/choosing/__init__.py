"""Before and after a run: check, pick, alerts, divergence."""
