#!/usr/bin/env python3
"""Holds the schema and the ten queries of fleet/clickhouse against the sample data.

usage: queries.py URL

URL: a ClickHouse server's HTTP interface, such as http://127.0.0.1:8123. The database
kernel_and_user_map there is made anew. Status 1 if anything is other than it must be.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import sample

TOP = pathlib.Path(__file__).resolve().parents[2]
CLICKHOUSE = TOP / "fleet" / "clickhouse"
DATABASE = "kernel_and_user_map"
TABLES = ("events", "events_by_command", "watch_lines")
INSERT = f"INSERT INTO {DATABASE}.lines FORMAT JSONEachRow"


def statements(name):
    """Those of a file, without the comments before and after them."""
    text = (CLICKHOUSE / name).read_text()
    whole = "\n".join(it for it in text.splitlines() if not it.lstrip().startswith("--"))
    return [it.strip() for it in whole.split(";\n") if it.strip().rstrip(";")]


def questions():
    """Of each query: its question, itself, and the rows of its answer (the names first)."""
    found = []
    for block in re.split(r"\n-- (?=\d+\. )", (CLICKHOUSE / "queries.sql").read_text())[1:]:
        question, rest = block.split("\n", 1)
        query, answer = rest.split(";\n", 1)
        answers = [it[2:] for it in answer.splitlines() if it.startswith("--   ")]
        found.append((question, query, [[cell.strip() for cell in f"{it} ".split(" | ")]
                                        for it in answers]))
    return found


class Checks:
    """Prints a line each, and remembers whether one has failed."""

    def __init__(self):
        self.failed = 0

    def check(self, what, is_so, detail=""):
        print(f"{'ok' if is_so else 'not ok'}: {what}{'' if is_so else f' – {detail}'}", flush=True)
        self.failed += not is_so

    def equal(self, what, found, expected):
        self.check(what, found == expected, f"{found!r}, and not {expected!r}")


class Server:
    """A server's HTTP interface."""

    def __init__(self, url):
        self.url = url.rstrip("/")

    def run(self, sql, data=b"", **settings):
        """What it answers. `data`: the rows of an insert."""
        query = {**settings, "query": sql}
        request = urllib.request.Request(f"{self.url}/?{urllib.parse.urlencode(query)}", data)
        try:
            with urllib.request.urlopen(request, timeout=300) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{sql}: {error.read().decode()[:600]}") from None

    def insert(self, text):
        """Lines, as a shipper sends them."""
        self.run(INSERT, text.encode(), input_format_skip_unknown_fields=1)


def rows(text):
    """Of what is separated by tabs, with the names first."""
    return [line.split("\t") for line in text.splitlines()]


def make_anew(server):
    """The database, without anything in it."""
    server.run(f"DROP DATABASE IF EXISTS {DATABASE}")
    for statement in statements("schema.sql"):
        server.run(statement)


def merge(server):
    """Leaves each line once in each table, as the server does sooner or later."""
    for table in TABLES:
        partitions = rows(server.run(f"""SELECT DISTINCT partition FROM system.parts WHERE active
            AND database = '{DATABASE}' AND table = '{table}' FORMAT TabSeparated"""))
        for (partition,) in partitions:
            server.run(f"OPTIMIZE TABLE {DATABASE}.{table} PARTITION {partition} FINAL")


def ask_all(server, checks, when, but=()):
    for question, query, expected in questions():
        if question.startswith(tuple(but)):
            continue
        found = rows(server.run(query + " FORMAT TabSeparatedWithNames"))
        checks.equal(f"{when}: {question}", found, expected)


def fields():
    """The names of all that a line may have."""
    names = {"host_name", "boot_id"}

    def collect(schema):
        if isinstance(schema, dict):
            names.update(schema.get("properties", ()))
        for it in schema.values() if isinstance(schema, dict) else schema:
            if isinstance(it, (dict, list)):
                collect(it)

    collect(json.loads((TOP / "docs" / "events.schema.json").read_text()))
    return names


def old_days(server, checks):
    """fleet/clickhouse/drop-old-days, which asks this server in place of clickhouse-client's."""
    def drop(url, *days):
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as client:
            client.write(f"exec curl --silent --show-error --fail '{url}/' --data-binary \"$2\"\n")
            client.flush()
            return subprocess.run(
                [CLICKHOUSE / "drop-old-days", *days], check=False, capture_output=True, text=True,
                env={**os.environ, "CLICKHOUSE_CLIENT": f"sh {client.name}"})

    def left():
        return [server.run(f"SELECT count() FROM {DATABASE}.{it} FINAL").strip() for it in TABLES]

    before = left()
    server.insert(sample.text([dict(sample.lines()[-1], time_ns=time.time_ns())]))
    dropped = drop(server.url, "90", "100000")
    checks.equal("drop-old-days drops the old days of events only", [dropped.returncode, *left()],
                 [0, "1", str(int(before[1]) + 1), before[2]])
    refused = [drop("http://127.0.0.1:1").returncode != 0, drop(server.url, "1 day").returncode != 0]
    checks.equal("it tells of a server that is not there, and of wrong days", refused, [True, True])


def rows_read(server):
    """How many rows each query of some days reads."""
    return {question: int(json.loads(server.run(f"{query} FORMAT JSON"))["statistics"]["rows_read"])
            for question, query, _ in questions() if " AS day" in query.partition("SELECT")[0]}


def other_months(server, checks):
    """The same lines a month earlier and later change no answer about these days, and are not read:
    all days of a fleet are a hundred times one."""
    merge(server)
    before = rows_read(server)
    month = 30 * 86400 * sample.SECOND
    earlier, later = ([{name: value + shift if name in ("time_ns", "start_time_ns") else value
                        for name, value in it.items()} for it in sample.lines()
                       # After a watch without an end, another begin would tell of a kill.
                       if it["event"] not in ("begin", "end")]
                      for shift in (-month, month))
    no_days = ("10.",)
    server.insert(sample.text(earlier))
    ask_all(server, checks, "with a month before", no_days)
    server.insert(sample.text(later))
    ask_all(server, checks, "with a month after", (*no_days, "7."))
    merge(server)
    checks.equal("rows that are read of days that are asked for", rows_read(server), before)


def check(server, checks):
    """The schema, what comes into its tables, and the answers."""
    make_anew(server)
    for statement in statements("schema.sql"):  # it may be there already
        server.run(statement)
    lines = sample.lines()
    columns = {it[0] for it in rows(server.run(f"DESCRIBE TABLE {DATABASE}.lines FORMAT TabSeparated"))}
    # A column whose name no field has would stay empty, and nobody be told.
    checks.equal("columns without a field in docs/events.schema.json", columns - fields(), set())
    checks.equal("fields of the sample that no schema has",
                 {name for it in lines for name in it} - fields(), set())
    checks.equal("there are ten questions", len(questions()), 10)
    for begin in range(0, len(lines), 25):
        server.insert(sample.text(lines[begin:begin + 25]))
    ask_all(server, checks, "sent once")
    for begin in range(0, len(lines), 40):  # in other batches
        server.insert(sample.text(reversed(lines[begin:begin + 40])))
    ask_all(server, checks, "sent twice")

    of_processes = sum(it["event"] in ("exec", "exit") for it in lines)
    for table, count in zip(TABLES, (of_processes, of_processes, len(lines) - of_processes)):
        merged = f"SELECT count() FROM {DATABASE}.{table} FINAL"
        checks.equal(f"lines in {table}", int(server.run(merged)), count)
    merge(server)
    lives = f"SELECT count(), sum(has_exec), sum(has_exit) FROM {DATABASE}.lives FORMAT TabSeparated"
    count = len({(it["host_name"], it["pid"]) for it in lines if "pid" in it})
    # One has begun before the watch, and another goes on.
    checks.equal("lives", rows(server.run(lives)), [[str(count), str(count - 1), str(count - 1)]])
    late = f"""SELECT user, cgroup, has_exec, has_exit, signal FROM {DATABASE}.lives
        WHERE pid IN ({", ".join(map(str, sample.NAMED_LATE))}) FORMAT TabSeparated"""
    checks.equal("a life whose names are known at its exit only", rows(server.run(late)), [
        ["alice", "/user.slice/user-1000.slice/session-4.scope", "1", "1", "SIGTERM"]])
    watches = f"""SELECT host_name, has_end, was_killed, reported, lost FROM {DATABASE}.watches
        ORDER BY host_name, begin_time FORMAT TabSeparated"""
    checks.equal("watches", rows(server.run(watches)), [
        ["db1", "1", "0", "24", "10"], ["db2", "0", "0", "0", "0"], ["old1", "1", "0", "2", "0"],
        ["web1", "0", "0", "0", "0"], ["web2", "0", "1", "0", "0"], ["web2", "0", "0", "0", "0"]])
    ask_all(server, checks, "merged")
    other_months(server, checks)
    if isinstance(server, Server):
        old_days(server, checks)


def main():
    if len(sys.argv) != 2 or not sys.argv[1].startswith("http"):
        sys.exit(__doc__)
    checks = Checks()
    check(Server(sys.argv[1]), checks)
    sys.exit(checks.failed > 0)


if __name__ == "__main__":
    main()
