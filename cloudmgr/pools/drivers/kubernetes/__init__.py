"""A pool on a Kubernetes cluster."""
