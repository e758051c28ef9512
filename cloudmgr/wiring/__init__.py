"""The one composition root: settings in, a running control plane out."""
