"""Makes neutron's tables from its models, in the database that its configuration names.

Its migrations alter constraints, which SQLite cannot.
"""

from __future__ import annotations

import sys

import sqlalchemy
from neutron.db.migration.models import head
from oslo_config import cfg
from oslo_db import options

conf = cfg.ConfigOpts()
options.set_defaults(conf)
conf(["--config-file", sys.argv[1]], project="neutron")
engine = sqlalchemy.create_engine(conf.database.connection)
head.model_base.BASEV2.metadata.create_all(engine)
