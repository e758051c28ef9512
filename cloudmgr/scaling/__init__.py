"""Peak windows, the autoscaler, hibernation and waking: who decides how many replicas run."""
