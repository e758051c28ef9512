"""The control plane with which a city government pools its infrastructure."""

__version__ = "0.1.0"
