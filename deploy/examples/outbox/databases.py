"""The differences of SQLite, PostgreSQL and MySQL for an outbox. The rest of its SQL is the same.

A database is named by its address: a file's path, postgresql://user@host/database, or mysql://user@host:3306/database.
"""

import sqlite3
import urllib.parse

UNSENT = "SELECT id, platform_no, job FROM bursar_outbox WHERE outcome IS NULL ORDER BY id LIMIT %s"
# Rows that another relay has locked are skipped. The lock ends with its transaction, or when it dies.
UNSENT_AND_FREE = UNSENT + " FOR UPDATE SKIP LOCKED"


class Database:
    """A connection that begins a transaction with its first statement and ends it by commit() or rollback()."""

    schema: str  # the file with the table
    now: str
    unsent: str
    errors: type  # the error of any statement
    away: tuple  # errors that may pass: a lost connection, a lock that was not released

    def __init__(self, driver, connection):
        self.errors, self.away = driver.Error, (driver.OperationalError, driver.InterfaceError)
        self.connection = connection

    def execute(self, statement, parameters=()):
        """The rows of the result, if there are any."""
        cursor = self.connection.cursor()
        cursor.execute(statement, tuple(parameters))
        return cursor.fetchall() if cursor.description else []

    def script(self, text):
        """Statements without parameters, each with a semicolon at the end of its last line."""
        for statement in filter(str.strip, text.split(";\n")):
            self.execute(statement)

    def commit(self):
        self.connection.commit()

    def rollback(self):
        self.connection.rollback()

    def close(self):
        self.connection.close()


class SQLite(Database):
    """SQLite locks the whole file, which a request must not do for its duration: two relays may send the same rows."""

    schema, now, unsent = "outbox.sqlite.sql", "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')", UNSENT

    def __init__(self, path):
        super().__init__(sqlite3, sqlite3.connect(path, timeout=30))
        self.connection.execute("PRAGMA journal_mode = WAL")

    def execute(self, statement, parameters=()):
        return super().execute(statement.replace("%s", "?"), parameters)

    def script(self, text):
        self.connection.executescript(text)


class PostgreSQL(Database):
    """By psycopg 2 or 3. A password is better kept in ~/.pgpass than in the address."""

    schema, now, unsent = "outbox.postgres.sql", "now()", UNSENT_AND_FREE

    def __init__(self, address):
        try:
            import psycopg2 as driver
        except ImportError:
            import psycopg as driver
        super().__init__(driver, driver.connect(address))


class MySQL(Database):
    """MySQL 8 or MariaDB 10.6, by PyMySQL. ?unix_socket=PATH in the address connects by a socket."""

    schema, now, unsent = "outbox.mysql.sql", "now(3)", UNSENT_AND_FREE

    def __init__(self, address):
        import pymysql as driver

        parts = urllib.parse.urlsplit(address)
        where = dict(urllib.parse.parse_qsl(parts.query))
        if parts.hostname:
            where.update(host=parts.hostname, port=parts.port or 3306)
        connection = driver.connect(
            user=urllib.parse.unquote(parts.username or ""),
            password=urllib.parse.unquote(parts.password or ""),
            database=parts.path.lstrip("/"),
            charset="utf8mb4",
            # Under the default, REPEATABLE READ, locked rows also lock the gap behind them: no app could write to the outbox
            # while a relay has a request in flight.
            init_command="SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            **where,
        )
        super().__init__(driver, connection)


def opened(address):
    """The database of this address."""
    scheme = address.partition("://")[0]
    kinds = {"postgresql": PostgreSQL, "postgres": PostgreSQL, "mysql": MySQL}
    return kinds.get(scheme, SQLite)(address)
