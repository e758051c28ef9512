"""The departments' web applications that the demo hosts: small, but real ones.

One code base, a variant for each system (:mod:`~cloudmgr.cli.demo.apps.catalogue`): people fill in
a form and look their filing up, machines do the same with JSON, rows are kept in SQLite. They know
nothing of cloudmgr but the contract of a hosted process: listen on ``PORT``, keep data in
``DATA_DIR``, answer a health path, finish what is in flight on SIGTERM.
"""
