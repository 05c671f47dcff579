"""Two days of five machines, as lines of `kernel_and_user_map -o json --host-fields`: what the
answers in fleet/clickhouse/queries.sql are about. For each condition of a query there is something
that it alone keeps out."""

import datetime
import json

BOOTS = {
    "web1": "11111111-1111-4111-8111-111111111111",
    "web2": "22222222-2222-4222-8222-222222222222",
    "db1": "33333333-3333-4333-8333-333333333333",
    "db2": "44444444-4444-4444-8444-444444444444",
    "old1": "55555555-5555-4555-8555-555555555555",
}
CONTAINER = "4f1c0ae3b57d91e2864acb0f7d35e9186fa2c4d07b6e8359f0a1d2c3b4e5f607"
OTHER_CONTAINER = "ab12" * 16
CRON = "/system.slice/cron.service"
UIDS = {"root": 0, "postgres": 26, "www-data": 33, "alice": 1000, "app": 1001}
SECOND = 1_000_000_000


def ns(text):
    """Of a time such as "14 02:00:00", a day in January 2026: nanoseconds since 1970."""
    time = datetime.datetime.strptime(f"2026-01-{text} +0000", "%Y-%m-%d %H:%M:%S %z")
    return int(time.timestamp()) * SECOND


def line(host, event, time_ns, **fields):
    """A line; `time` is the text of `time_ns`."""
    time = datetime.datetime.fromtimestamp(time_ns // SECOND, datetime.timezone.utc)
    text = time.strftime("%Y-%m-%dT%H:%M:%S") + f".{time_ns % SECOND:09}Z"
    first = {"host_name": host, "boot_id": BOOTS[host], "event": event}
    return {**first, "time": text, "time_ns": time_ns, **fields}


class Sample:
    """Collects the lines."""

    def __init__(self):
        self.lines = []
        self.next_pid = 5000

    def life(self, host, start, seconds, command, parent, user="root", code=0, signal=None,
             cgroup="/", container=None, pid=None, events=("exec", "exit")):
        """A process: its exec and its exit. `start`: as of `ns`, or nanoseconds. `seconds`: None
        where the exit itself was lost."""
        start_ns = ns(start) if isinstance(start, str) else start
        if pid is None:
            pid, self.next_pid = self.next_pid, self.next_pid + 1
        args = command if isinstance(command, list) else command.split(" ")
        duration_ns = None if seconds is None else round(seconds * SECOND)
        usage = None if seconds is None else 1500
        process = {
            "pid": pid, "ppid": 1, "parent": parent, "uid": UIDS[user], "gid": UIDS[user],
            "user": user, "comm": args[0][:15], "filename": f"/usr/bin/{args[0]}",
            "filename_truncated": False, "args": args, "args_truncated": False, "forked": False,
            "start_time": line(host, "", start_ns)["time"], "start_time_ns": start_ns,
            "exec_id": 2, "cgroup_id": 1, "cgroup": cgroup, "container_id": container,
        }
        if "exec" in events:
            # Who it is may be known later than that it is there.
            self.lines.append(line(host, "exec", start_ns, **{
                **process, "user": None, "cgroup": None, "container_id": None}
                if pid in NAMED_LATE else process))
        if "exit" in events:
            self.lines.append(line(
                host, "exit", start_ns + (duration_ns or SECOND), **process,
                duration_ns=duration_ns, exit_code=None if signal or seconds is None else code,
                signal=signal, core_dumped=False, cpu_ns=duration_ns and duration_ns // 10,
                max_rss_kib=usage, major_faults=usage, read_bytes=usage, write_bytes=usage))

    def begin(self, host, time):
        self.lines.append(line(
            host, "begin", ns(time), version="0.1.0", kernel_release="6.12.48", filter={}))

    def loss(self, host, time, **lost):
        self.lines.append(line(host, "loss", ns(time), **{**NOTHING_LOST, **lost}))

    def end(self, host, time, run_time_ns, reported, **lost):
        self.lines.append(line(
            host, "end", ns(time), run_time_ns=run_time_ns, reported_execs=reported,
            reported_exits=reported, ended_unseen=0, hidden=0, **{**NOTHING_LOST, **lost},
            unwritten=0, running=[], fullest=2, capacity=16384))


NOTHING_LOST = {
    "dropped_execs": 0, "dropped_exits": 0, "missed_execs_at_most": 0, "missed_exits_at_most": 0,
    "dropped_forks": 0, "missed_forks_at_most": 0,
}
NAMED_LATE = (4103,)  # pids


def lines():
    """All lines, as objects, in the order of their times."""
    s = Sample()
    for host in BOOTS:
        s.begin(host, "14 00:00:00")
    s.end("old1", "14 18:00:00", 18 * 3600 * SECOND, 1)
    s.begin("web2", "15 12:00:00")  # the watch before has no end
    s.loss("db1", "15 10:00:00", dropped_execs=3, dropped_exits=4)
    s.loss("db1", "15 11:00:00", missed_execs_at_most=1, missed_exits_at_most=2)
    s.end("db1", "15 20:00:30", 44 * 3600 * SECOND, 12, dropped_execs=3, dropped_exits=4,
          missed_execs_at_most=1, missed_exits_at_most=2)  # the sum of both
    s.loss("web1", "15 08:00:00", dropped_exits=2)
    s.life("db2", "15 23:59:30", 0.001, "true", "cron", cgroup=CRON)

    s.life("old1", "14 09:00:00", 0.001, "true", "cron", cgroup=CRON)
    s.life("db1", "14 01:00:00", 400, "pg_dump main", "cron", "postgres")
    s.life("db1", "14 08:00:00", 113_400, "postgres -D /data", "systemd", "postgres",
           signal="SIGSEGV", pid=900)
    s.life("db1", "14 12:00:00", 2, ["psql", "-c", "select 1"], "bash", "alice")
    s.life("db1", "10 20:00:00", 4 * 86400, "reindexdb --all", "cron", "postgres",
           events=["exit"])  # began before the watch
    s.life("web1", "14 06:00:00", 3, "exporter", "systemd")
    s.life("web1", "14 23:55:00", 540, "vim nginx.conf", "sudo",
           cgroup="/user.slice/user-1000.slice/session-3.scope")
    s.life("web1", "14 02:00:00", 300, "backup --full", "cron", cgroup=CRON)
    s.life("web2", "14 02:00:00", 100, "backup --full", "cron", cgroup=CRON)
    s.life("web2", "14 14:00:00", 200, "backup --full", "cron", cgroup=CRON)
    s.life("web2", "14 10:00:00", 5, "worker --queue mail", "runner", "app")
    for minute in range(5):
        s.life("web2", f"14 11:0{minute}:00", 0.3, "worker --queue mail", "runner", "app", code=1)
    s.life("web2", "14 10:05:00", 0.5, "nginx -t", "systemd")

    s.life("web1", "15 02:00:00", 600, "backup --full", "cron", code=1, cgroup=CRON)
    s.life("web1", "15 03:12:07", 3600, "xmrig -o pool.example:3333", "sh", "www-data",
           signal="SIGKILL")
    s.life("web1", "15 05:00:00", None, "backup --full", "cron", cgroup=CRON)  # its exit was lost
    for minute in (20, 21, 22, 23, 24, 31, 32):
        s.life("web1", f"15 12:{minute}:00", 1.5, "exporter", "systemd", signal="SIGABRT")
    s.life("web1", "15 15:29:57", 0.001, "true", "cron", cgroup=CRON)
    for time in ("15 11:00:00", "15 11:05:00"):
        s.life("web1", time, 0.2, "systemctl restart nginx", "sudo",
               cgroup="/user.slice/user-1000.slice/session-3.scope")
    s.life("web1", "15 23:59:00", 0.001, "true", "cron", cgroup=CRON)

    s.life("web2", "15 02:00:00", 200, "backup --full", "cron", cgroup=CRON)
    s.life("web2", "15 14:30:00", 250, "backup --full", "cron", cgroup=CRON)
    inside = {"cgroup": f"/system.slice/docker-{CONTAINER}.scope", "container": CONTAINER}
    s.life("web2", "15 09:00:00", 0.5, "sh /entry.sh", "containerd-shim", **inside)
    for tenths, code in ((1, 7), (2, 0)):
        s.life("web2", ns("15 09:00:00") + tenths * SECOND // 10, 0.05,
               "curl -fsS http://api/health", "sh", code=code, **inside)
    s.life("web2", ns("15 09:00:00") + 3 * SECOND // 10, 0.05, "curl -fsS http://api/health", "sh",
           signal="SIGTERM", **inside)
    s.life("web2", "15 09:10:00", 0, "curl -fsS http://api/health", "sh", events=["exec"],
           **inside)  # goes on
    s.life("web2", "14 09:00:00", 0.5, "nginx -t", "sh", **inside)
    s.life("web2", "15 09:00:00", 0.5, "nginx -t", "systemd", container=OTHER_CONTAINER,
           cgroup=f"/system.slice/docker-{OTHER_CONTAINER}.scope")
    for minute in range(6):
        s.life("web2", f"15 14:0{minute}:00", 0.3, "worker --queue mail", "runner", "app", code=1)
    s.life("web2", ns("15 23:58:00") - SECOND // 2, 0.5, "nginx -t", "systemd")

    s.life("db1", "15 15:29:40", 8, ["psql", "-c", "select 2"], "bash", "alice", pid=4100)
    s.life("db1", "15 15:29:55", 1, ["psql", "-c", "select 1"], "bash", "alice", pid=4101,
           cgroup="/user.slice/user-1000.slice/session-4.scope")
    s.life("db1", "15 17:00:00", 1, ["psql", "-c", "select 3"], "bash", "alice", pid=4103,
           signal="SIGTERM", cgroup="/user.slice/user-1000.slice/session-4.scope")
    s.life("db1", "15 15:29:58", 602, "pg_dump main", "cron", "postgres", code=2, pid=4102)
    s.life("db1", "15 16:00:00", 60, "bash", "su",
           cgroup="/user.slice/user-1001.slice/session-c2.scope")
    s.life("db1", "15 19:59:40", 20, "vacuumdb --all", "cron", "postgres")
    return sorted(s.lines, key=lambda it: it["time_ns"])


def text(objects):
    """As the watcher prints them."""
    dump = json.JSONEncoder(separators=(",", ":")).encode
    return "".join(dump(it) + "\n" for it in objects)


if __name__ == "__main__":
    print(text(lines()), end="")
