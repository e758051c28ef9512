"""The HTTP API under ``/api/v1``: the frame that every route stands in, and the routes.

How a route is written is said in :mod:`cloudmgr.api.routes`.
"""
