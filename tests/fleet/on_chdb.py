#!/usr/bin/env python3
"""The same as queries.py on a current engine, within this process; and what a row takes there.

usage: on_chdb.py
"""

import json
import sys
import tempfile
import time

from chdb import session

import queries
import sample


class Engine:
    """In place of a server."""

    def __init__(self, folder):
        self.session = session.Session(folder)

    def run(self, sql):
        """What it answers."""
        return self.session.query(sql, "TabSeparated").data()

    def insert(self, text):
        """Lines, as a shipper sends them."""
        self.run(f"{queries.INSERT} {text}")


def through_otel(engine, checks):
    """Lines that come by the table of the OpenTelemetry Collector."""
    queries.make_anew(engine)
    engine.insert(sample.text(sample.lines()))
    engine.run(f"""CREATE TABLE {queries.DATABASE}.otel_logs (Timestamp DateTime64(9), Body String)
        ENGINE = MergeTree ORDER BY Timestamp""")
    view = queries.CLICKHOUSE.parent / "otel-collector" / "otel_logs.sql"
    engine.run(view.read_text())
    tables = [f"SELECT * FROM {queries.DATABASE}.{table} FINAL ORDER BY ALL"
              for table in queries.TABLES]
    before = [engine.run(it) for it in tables]
    for table in queries.TABLES:
        engine.run(f"TRUNCATE TABLE {queries.DATABASE}.{table}")
    text = "".join(json.dumps({"Timestamp": 0, "Body": it}) + "\n"
                   for it in sample.text(sample.lines()).splitlines())
    engine.run(f"INSERT INTO {queries.DATABASE}.otel_logs FORMAT JSONEachRow {text}")
    checks.equal("the same by way of otel_logs", [engine.run(it) for it in tables], before)


def measure(engine, checks):
    """Prints what rows take, with the codecs of retention.sql."""
    for statement in queries.statements("retention.sql"):
        engine.run(statement)
    checks.check("retention.sql is taken", True)
    processes, batch = 50_000, 5_000
    sent = sample.Sample()
    start = time.time_ns()  # what is old is gone at once, by retention.sql
    for number in range(processes):
        sent.life("web1", start + number * 1_000_000, 0.0007 + number % 97 / 1e5,
                  ["cc", "-O2", "-c", f"src/part{number % 311}.c", "-o", f"obj/part{number % 311}.o"],
                  "make", "app", cgroup="/system.slice/build.service")
    texts = [sample.text(sent.lines[at:at + 2 * batch]) for at in range(0, 2 * processes, 2 * batch)]
    begun = time.monotonic()
    for text in texts:
        engine.insert(text)
    seconds = time.monotonic() - begun
    for table in queries.TABLES[:2]:
        engine.run(f"OPTIMIZE TABLE {queries.DATABASE}.{table} FINAL")
    rows = engine.run(f"SELECT count() FROM {queries.DATABASE}.events FINAL WHERE comm = 'cc'")
    checks.equal("rows that were measured", int(rows), 2 * processes)
    size = int(engine.run(f"""SELECT sum(data_compressed_bytes) FROM system.parts
        WHERE database = '{queries.DATABASE}' AND active"""))
    wire = sum(map(len, texts))
    print(f"RESULT: current engine: {2 * processes / seconds:,.0f} lines a second taken in; "
          f"{size / processes:.0f} bytes a process on disk in both tables, of {wire / processes:.0f} sent",
          flush=True)


def main():
    checks = queries.Checks()
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(folder)
        version = engine.run("SELECT version()").strip()
        print(f"on ClickHouse {version}:")
        queries.check(engine, checks)
        through_otel(engine, checks)
        # Shippers that change nothing send what the watcher prints.
        unknown = dict(sample.lines()[-1], host_name="web9", args=None)
        engine.insert(sample.text([unknown]))
        found = engine.run(f"SELECT args FROM {queries.DATABASE}.events WHERE host_name = 'web9'")
        checks.equal("args that are not known", found.strip(), "[]")
        measure(engine, checks)
        engine.session.close()
    sys.exit(checks.failed > 0)


if __name__ == "__main__":
    main()
