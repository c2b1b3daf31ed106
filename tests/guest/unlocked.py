"""What a backup without a lock needs of the lab's servers: rights to see every table, and no table
that keeps its writers waiting.
"""

from contextlib import contextmanager

from base import until
from tool import USER

SEEN_S_MAX = 120  # a replica that runs behind has some to apply first


@contextmanager
def only_innodb(world):
    """Both servers' tables are all InnoDB meanwhile, and the account may see each. The replica must
    be applying."""
    world.primary.sql(
        f"GRANT SELECT ON *.* TO {USER}@localhost", "ALTER TABLE lab.step_myisam ENGINE=InnoDB"
    )
    replicated(world, "SELECT")
    until(SEEN_S_MAX, lambda: engine(world.replica) == "InnoDB", "the table to be InnoDB")
    try:
        yield
    finally:
        world.primary.sql("ALTER TABLE lab.step_myisam ENGINE=MyISAM")
        until(SEEN_S_MAX, lambda: engine(world.replica) == "MyISAM", "the table to be MyISAM")


def engine(server):
    return server.value(
        "SELECT engine FROM information_schema.tables "
        "WHERE table_schema = 'lab' AND table_name = 'step_myisam'"
    )


def replicated(world, privilege):
    """The account's rights reach the replica by replication."""

    def there():
        rows = world.replica.sql(f"SHOW GRANTS FOR {USER}@localhost")
        return any(privilege in str(list(row.values())[0]) for row in rows)

    until(SEEN_S_MAX, there, f"{privilege} to reach the replica")
