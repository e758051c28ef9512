"""The command line: the same verbs as the API, and what starts a control plane."""
