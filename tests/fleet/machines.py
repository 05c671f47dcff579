#!/usr/bin/env python3
"""Three machines and a server, with the real parts: network and UTS namespaces and cgroups, the
watcher, syslog-ng and ClickHouse. What the watchers have told is in the server, whatever breaks on
its way.

usage: machines.py PROGRAM ACTOR (as root)

PROGRAM: the watcher. ACTOR: tests/actor, built. Status 1 if anything is other than it must be. It
takes four minutes, and ends all that it has started.
"""

import atexit
import contextlib
import ctypes
import gzip
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import queries

HERE = pathlib.Path(__file__).resolve().parent
SHIPPER = HERE.parents[1] / "fleet" / "syslog-ng" / "kernel_and_user_map.conf"
RESEND = HERE.parents[1] / "fleet" / "resend"
HOSTS = ("web1", "web2", "db1")
PREFIX = f"kum-fleet-{os.getpid()}-"  # two runs at once do not meet
URL = "http://10.77.0.1:8123"
PROCESSES = 100_000  # of one storm on each host
SMALL_BUFFER = 8 << 20  # bytes, of the shipper whose link is cut; half of it is for what is on its way
PATIENCE = 300  # seconds until something is taken for broken
CLONE_NEWNET = 0x40000000

checks = queries.Checks()
begun = time.monotonic()


def say(text):
    """What is going on, with the seconds since the beginning."""
    print(f"  [{time.monotonic() - begun:3.0f} s] {text}", flush=True)


def run(*words, **options):
    return subprocess.run(words, check=True, **options)


def wait_for(what, done):
    """Waits until `done` is true; what it was last, in the end."""
    until = time.monotonic() + PATIENCE
    while not (value := done()):
        if time.monotonic() > until:
            raise TimeoutError(f"{what}: not within {PATIENCE} s")
        time.sleep(0.2)
    return value


def cpu_seconds(pid):
    """Of all threads of a process, so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Network:
    """A bridge in the server's namespace, which this process enters, and a link to each host."""

    def __init__(self):
        self.clean()
        run("ip", "netns", "add", PREFIX + "server")
        with open(f"/run/netns/{PREFIX}server", "rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        for words in ("link set lo up", "link add br0 type bridge", "link set br0 up",
                      "address add 10.77.0.1/24 dev br0"):
            run("ip", *words.split())
        for number, host in enumerate(HOSTS, 2):
            name = PREFIX + host
            run("ip", "netns", "add", name)
            run("ip", "link", "add", host, "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", host, "master", "br0", "up")
            for words in (f"address add 10.77.0.{number}/24 dev eth0", "link set eth0 up",
                          "link set lo up"):
                run("ip", "-n", name, *words.split())

    @staticmethod
    def cut(host, is_cut):
        run("ip", "link", "set", host, "down" if is_cut else "up")

    @staticmethod
    def bytes_from(host):
        """All that has come from it."""
        told = subprocess.run(["ip", "-json", "-stats", "link", "show", host], check=True,
                              capture_output=True, text=True).stdout
        return json.loads(told)[0]["stats64"]["rx"]["bytes"]

    @staticmethod
    def clean():
        for name in ("server", *HOSTS):
            subprocess.run(["ip", "netns", "del", PREFIX + name], check=False,
                           stderr=subprocess.DEVNULL)


class Server(queries.Server):
    """ClickHouse with its stock configuration, but for folders of its own."""

    def __init__(self, folder):
        super().__init__(URL)
        self.folder = folder
        self.process = None
        stock = pathlib.Path("/etc/clickhouse-server")
        config = (stock / "config.xml").read_text()
        config = config.replace("/var/lib/clickhouse", str(folder / "data"))
        config = config.replace("/var/log/clickhouse-server", str(folder / "log"))
        # Those of the stock file are for itself alone.
        config = re.sub(r"<listen_host>.*?</listen_host>", "", config)
        config = re.sub(r"<path>/[^<]*</path>", f"<path>{folder}/data/</path>", config, count=1)
        end = config.rindex("</")
        config = config[:end] + "<listen_host>0.0.0.0</listen_host>" + config[end:]
        for name in ("data", "log"):
            (folder / name).mkdir(parents=True)
        (folder / "config.xml").write_text(config)
        users = (stock / "users.xml").read_text()
        (folder / "users.xml").write_text(users)
        (folder / "users.d").mkdir()
        shutil.copy(queries.CLICKHOUSE / "shipper.xml", folder / "users.d")
        (folder / "config.d").mkdir()
        shutil.copy(queries.CLICKHOUSE / "compression.xml", folder / "config.d")

    def start(self):
        with open(self.folder / "out", "ab") as out:
            self.process = subprocess.Popen(
                ["clickhouse-server", f"--config-file={self.folder}/config.xml"],
                cwd=self.folder, stdout=out, stderr=out)
        atexit.register(self.kill)

        def answers():
            if self.process.poll() is not None:
                raise RuntimeError(f"clickhouse-server has ended: {self.said()}")
            with contextlib.suppress(OSError):
                return self.run("SELECT 1").strip() == "1"

        wait_for("the server", answers)

    def said(self):
        files = [self.folder / "out", *(self.folder / "log").glob("*.err.log")]
        return "\n".join(it.read_text()[-1500:] for it in files if it.exists())

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def counts(self):
        """The events of each host, each counted once."""
        told = self.run("SELECT host_name, count() FROM kernel_and_user_map.events FINAL "
                        "GROUP BY host_name FORMAT TabSeparated")
        return {host: int(count) for host, count in queries.rows(told)}


class Host:
    """A machine: its watcher, its shipper, and what runs on it."""

    def __init__(self, name, folder, cgroups, program, actor, buffer_bytes):
        self.name, self.folder, self.program, self.actor = name, folder, program, actor
        self.cgroup = cgroups / (PREFIX + name)
        self.log = folder / "events.jsonl"
        self.watcher = self.shipper = None
        self.rotated = 0
        folder.mkdir()
        self.cgroup.mkdir(exist_ok=True)
        atexit.register(self.clean)
        conf = SHIPPER.read_text()
        for define, value in (("server", URL), ("password", "test"), ("log", self.log),
                              ("buffer", folder), ("buffer_bytes", buffer_bytes),
                              ("reserved_bytes", buffer_bytes // 2)):
            conf, count = re.subn(rf'(@define kernel_and_user_map_{define}) ".*"',
                                  rf'\1 "{value}"', conf)
            assert count == 1, define
        (folder / "syslog-ng.conf").write_text(f"@version: 3.38\n{conf}")

    def inside(self, *words, **options):
        """Starts a command in the machine's namespaces."""
        script = f'hostname {self.name} && exec "$@"'
        return subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{PREFIX}{self.name}", "unshare", "--uts", "sh", "-c",
             script, "sh", *map(str, words)], **options)

    def watch(self, *options):
        """Starts the watcher, and waits until it watches."""
        said = self.folder / "watcher.err"
        with open(said, "wb") as stderr:
            self.watcher = self.inside(
                self.program, "-o", "json", "--host-fields", "--cgroup", self.cgroup, "--to",
                self.log, *options, stdin=subprocess.DEVNULL, stderr=stderr)
        wait_for(f"the watcher of {self.name}", lambda: "watching" in said.read_text())

    def end_watch(self):
        self.watcher.send_signal(signal.SIGINT)
        checks.equal(f"the watcher of {self.name} ends", self.watcher.wait(30), 0)

    def kill_watcher(self):
        self.watcher.kill()
        self.watcher.wait()

    def ship(self):
        self.shipper = self.inside(
            "syslog-ng", "--foreground", "--stderr", "--no-caps",
            f"--cfgfile={self.folder}/syslog-ng.conf",
            f"--persist-file={self.folder}/persist", f"--control={self.folder}/control",
            f"--pidfile={self.folder}/pid",
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "shipper.err", "ab"))
        wait_for(f"the shipper of {self.name}", (self.folder / "control").exists)
        if self.shipper.poll() is not None:
            raise RuntimeError(f"the shipper of {self.name} has ended: {self.shipper_said()}")

    def shipper_said(self):
        return (self.folder / "shipper.err").read_text()[-1500:]

    def shipper_counts(self, kind):
        """A count of its destination, such as `dropped`."""
        told = run("syslog-ng-ctl", "stats", f"--control={self.folder}/control",
                   capture_output=True, text=True).stdout.splitlines()
        found = [line.rsplit(";", 1)[1] for line in told
                 if line.startswith("dst.http") and f";{kind};" in line]
        assert found, kind
        return sum(map(int, found))

    def kill_shipper(self):
        self.shipper.kill()
        self.shipper.wait()
        (self.folder / "control").unlink()

    def rotate(self):
        """As logrotate does."""
        self.rotated += 1
        self.log.rename(f"{self.log}.{self.rotated}")
        self.watcher.send_signal(signal.SIGHUP)

    def play(self, *words):
        """The actor, in the machine's cgroup."""
        script = 'echo $$ >"$0" && exec "$@"'
        return subprocess.Popen(
            ["sh", "-c", script, self.cgroup / "cgroup.procs", self.actor, *map(str, words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    def files(self):
        """Its logs, the oldest first."""
        rotated = (self.folder / f"events.jsonl.{number + 1}" for number in range(self.rotated))
        return [*rotated, *([self.log] if self.log.exists() else [])]

    def lines(self):
        """How many its logs have."""
        return sum(file.read_bytes().count(b"\n") for file in self.files())

    def buffer_used(self):
        """Bytes of the shipper's buffer, which was empty when the link was cut."""
        return max(file.stat().st_size for file in self.folder.glob("*.rqf"))

    def resend(self, *files, conf=None):
        """The status of fleet/resend."""
        conf = conf or self.folder / "syslog-ng.conf"
        return subprocess.run([RESEND, *files], check=False, stderr=subprocess.DEVNULL,
                              env={**os.environ, "CONF": str(conf)}).returncode

    def told(self):
        """All lines of its watchers, as objects; one that is not whole is left out."""
        for file in self.files():
            with open(file, encoding="utf-8") as lines:
                yield from (json.loads(line) for line in lines if line.endswith("}\n"))

    def ended(self):
        """The sum of the `end` lines."""
        fields = ("reported_execs", "reported_exits", "ended_unseen")
        ends = [line for line in self.told() if line["event"] == "end"]
        return sum(line[field] for line in ends for field in fields)

    def clean(self):
        for process in (self.watcher, self.shipper):
            if process and process.poll() is None:
                process.kill()
                process.wait()
        (self.cgroup / "cgroup.kill").exists() and (self.cgroup / "cgroup.kill").write_text("1")
        with contextlib.suppress(OSError):
            wait_for("its processes", lambda: not (self.cgroup / "cgroup.procs").read_text())
            self.cgroup.rmdir()


def cgroup_root(folder):
    """Where the cgroup v2 hierarchy is mounted."""
    mounts = [line.split() for line in pathlib.Path("/proc/mounts").read_text().splitlines()]
    for mount in mounts:
        if mount[2] == "cgroup2":
            return pathlib.Path(mount[1])
    root = folder / "cgroup"
    root.mkdir()
    run("mount", "-t", "cgroup2", "cgroup2", root)
    atexit.register(subprocess.run, ["umount", "--lazy", root], check=False)
    return root


def storms(hosts, count):
    processes = [host.play("storm", count) for host in hosts]
    return lambda: [process.wait() for process in processes]


def missing(server, host):
    """Events of its logs that the server has not."""
    fields = ("pid", "start_time_ns", "exec_id", "event", "time_ns")
    there = set(map(tuple, queries.rows(server.run(
        f"SELECT {', '.join(fields)} FROM kernel_and_user_map.events "
        f"WHERE host_name = '{host.name}' FORMAT TabSeparated"))))
    return [line for line in host.told() if line["event"] in ("exec", "exit")
            and tuple(str(line[field]) for field in fields) not in there]


def compare(server, hosts, what):
    """Waits until all has arrived; then it is what the machines told, and none twice."""
    expected = {host.name: host.ended() for host in hosts}
    say(f"waiting for {sum(expected.values()):,} events")
    try:
        wait_for("all events", lambda: server.counts() == expected)
    except TimeoutError as error:
        say(str(error))
        for host in hosts:
            say(f"the shipper of {host.name} says: {host.shipper_said()}")
            lost = missing(server, host)
            say(f"of {host.name} {len(lost)} are missing, such as {lost[:3]}")
    checks.equal(f"{what}: the server has what the watchers told", server.counts(), expected)
    keys = "count(), uniqExact(host_name, boot_id, pid, start_time_ns, exec_id, event)"
    told = server.run(f"SELECT {keys} FROM kernel_and_user_map.events FINAL FORMAT TabSeparated")
    total = str(sum(expected.values()))
    checks.equal(f"{what}: none twice", queries.rows(told), [[total, total]])
    dropped = {host.name: host.shipper_counts("dropped") for host in hosts}
    checks.equal(f"{what}: no shipper has dropped a line", dropped, dict.fromkeys(dropped, 0))


def wait_for_ends(server, hosts):
    """Until the server has all `end` lines, the last of each watch; how many each host has."""
    ends = {host.name: sum(line["event"] == "end" for line in host.told()) for host in hosts}
    wait_for("the last end", lambda: queries.rows(server.run(
        "SELECT count() FROM kernel_and_user_map.watch_lines FINAL WHERE event = 'end' "
        "FORMAT TabSeparated"))[0][0] == str(sum(ends.values())))
    return ends


def undisturbed(server, hosts):
    say(f"{len(hosts)} storms of {PROCESSES:,} processes")
    for host in hosts:
        host.watch()
        host.ship()
    storms(hosts, PROCESSES)()
    for host in hosts:
        host.end_watch()
        checks.check(f"{host.name} tells of {PROCESSES:,} processes and more",
                     host.ended() >= 2 * PROCESSES, host.ended())
    compare(server, hosts, "undisturbed")


def disturbed(server, hosts):
    cut, killed, rotated = hosts
    say(f"{len(hosts)} storms of {PROCESSES:,} processes, while things break")
    for host in hosts:
        host.watch()
    wait = storms(hosts, PROCESSES)
    time.sleep(2)
    say("the server is killed")
    server.kill()
    time.sleep(5)
    server.start()
    say(f"the link of {cut.name} is cut; the shipper of {killed.name} is killed; the log of "
        f"{rotated.name} is rotated")
    Network.cut(cut.name, True)
    cut_at = time.monotonic()
    killed.kill_shipper()
    rotated.rotate()
    time.sleep(3)
    killed.ship()
    rotated.rotate()
    time.sleep(max(0, cut_at + 30 - time.monotonic()))
    size, lines = cut.log.stat().st_size, cut.log.read_bytes().count(b"\n")
    behind = size * (1 - server.counts()[cut.name] / lines)
    checks.check(f"{cut.name} holds more back than its buffer", behind > 1.5 * SMALL_BUFFER,
                 f"{behind:.0f} bytes of {size}")
    cut.rotate()
    time.sleep(1)
    say(f"the log of {cut.name} is rotated, too, and its link is mended")
    Network.cut(cut.name, False)
    wait()
    for host in hosts:
        host.end_watch()
    compare(server, hosts, "disturbed")


def rotated_while_full(server, hosts):
    """The log is rotated while the buffer is full and the shipper at the log's end: a new log is read
    beside what is not acknowledged of the old ones, and the reserved part has room for all of it.
    Two more rotations, while the shipper is held up, are one too many: the file in between comes by
    fleet/resend."""
    host = hosts[0]
    say(f"{host.name} is cut off, and its buffer filled to the reserved part")
    host.watch()
    Network.cut(host.name, True)

    def play(processes):
        """Until it is in the log."""
        expected = host.lines() + 2 * processes
        host.play("storm", processes).wait()
        wait_for("the log", lambda: host.log.exists() and host.lines() >= expected)

    def ship(processes):
        """Until it is in the buffer. The shipper counts since its start, which is all lines."""
        play(processes)
        wait_for("the shipper", lambda: host.shipper_counts("processed") == host.lines())

    while (room := SMALL_BUFFER // 2 - host.buffer_used()) > 0:
        ship(max(10, room // 2500))  # a process takes some 2,000 bytes there
    for _ in range(3):
        host.rotate()
        ship(30)
    say("its log was rotated three times; now it is rotated twice while its shipper is held up")
    play(1000)
    for _ in range(2):
        host.rotate()
        play(50)
    Network.cut(host.name, False)
    host.end_watch()
    wait_for_ends(server, hosts)
    between = host.files()[-2]
    in_between = [json.loads(line) for line in between.read_text().splitlines()]
    lost = missing(server, host)
    checks.check("what two rotations lose is the file in between", lost and lost == in_between,
                 f"{len(lost)} are missing, {len(in_between)} are in it")
    checks.equal("the file in between is sent again", host.resend(between), 0)
    compare(server, hosts, "rotated while full")


def losses_and_ends(server, hosts):
    """What a watcher has lost, and one that was killed, shows by host."""
    say("a watcher is killed, another one loses events")
    lossy, killed, whole = hosts
    for host in (killed, whole):
        host.watch()
    lossy.watch("--max-entries", "64")
    lossy.watcher.send_signal(signal.SIGSTOP)
    storms([lossy, killed], 2000)()
    lossy.watcher.send_signal(signal.SIGCONT)
    wait_for("the loss", lambda: any(it["event"] == "loss" for it in lossy.told()))
    killed.kill_watcher()
    with open(killed.log, "a", encoding="utf-8") as log:
        log.write('{"host_name":"web2","boot_id":null,"event":"exec","ti')  # as a full disk cuts it
    killed.watch()
    for host in hosts:
        host.end_watch()
    ends = [list(it for it in host.told() if it["event"] == "end")[-1] for host in hosts]
    lost = [sum(end[field] for field in ("dropped_execs", "dropped_exits", "missed_execs_at_most",
                                         "missed_exits_at_most")) for end in ends]
    checks.check(f"{lossy.name} has lost events", lost[0] > 1000, lost)

    number = wait_for_ends(server, hosts)
    watches = server.run("SELECT host_name, sum(has_end), sum(was_killed) "
                         "FROM kernel_and_user_map.watches GROUP BY host_name ORDER BY host_name "
                         "FORMAT TabSeparated")
    expected = sorted([name, str(ends), str(int(name == killed.name))]
                      for name, ends in number.items())
    checks.equal("watches with an end, and killed", queries.rows(watches), expected)
    question = next(it for it in queries.questions() if it[0].startswith("7."))
    answer = queries.rows(server.run(f"{question[1]} FORMAT TabSeparated"))
    found = {row[0]: row[1:3] for row in answer}
    checks.equal("the query for losses and kills", found,
                 {lossy.name: [str(lost[0]), "0"], killed.name: ["0", "1"]})


def sent_again(server, hosts):
    """What the server has lost comes back from the logs, also from one that is compressed."""
    say("the server's events are lost, and sent again")
    host = hosts[2]
    for table in queries.TABLES[:2]:
        server.run(f"TRUNCATE TABLE kernel_and_user_map.{table}")
    first, *others = host.files()
    run("gzip", "--keep", first)
    packed = first.with_name(first.name + ".gz")
    checks.equal("all is sent again", host.resend(packed, *others), 0)
    checks.equal("what was sent again", server.counts(), {host.name: host.ended()})

    whole = (host.folder / "syslog-ng.conf").read_text()
    nobody = host.folder / "nobody.conf"
    nobody.write_text(whole.replace(URL, "http://10.77.0.1:1"))
    refused = host.folder / "refused.conf"
    refused.write_text(whole.replace('password "test"', 'password "wrong"'))
    damaged = host.folder / "damaged.gz"
    damaged.write_bytes(gzip.compress(first.read_bytes())[:-100])
    checks.equal("resend tells of no server, a wrong password and a damaged file", [
        host.resend(first, conf=nobody), host.resend(first, conf=refused),
        host.resend(damaged)], [1, 1, 1])
    checks.equal("what was sent a third time", server.counts(), {host.name: host.ended()})


def costs(server, hosts):
    """What a second of a machine at 1,000 processes a second costs."""
    host, seconds = hosts[0], 15
    say(f"{host.name} at 1,000 processes a second")
    host.watch()
    time.sleep(2)

    def now():
        return (cpu_seconds(host.shipper.pid), cpu_seconds(server.process.pid),
                Network.bytes_from(host.name), host.log.stat().st_size)

    before = now()
    time.sleep(seconds)
    idle = [b - a for a, b in zip(before, now())]
    before, counted = now(), server.counts()[host.name]
    storm = host.play("storm-for", seconds - 1, 1, 850)
    storm.wait()
    time.sleep(4)
    took = [b - a - idle_part for a, b, idle_part in zip(before, now(), idle)]
    processes = (server.counts()[host.name] - counted) / 2
    host.end_watch()
    rate = processes / seconds
    checks.check("it was a storm of some 1,000 a second", 200 < rate < 1500, rate)
    milliseconds = [1000 * 1000 * it / processes for it in took[:2]]
    for table in queries.TABLES:
        server.run(f"OPTIMIZE TABLE kernel_and_user_map.{table} FINAL")
    disk = int(server.run("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND "
                          "database = 'kernel_and_user_map'"))
    events = sum(server.counts().values())
    print(f"RESULT: a second at 1,000 processes a second costs the shipper {milliseconds[0]:.0f} ms "
          f"of CPU time and the server {milliseconds[1]:.0f} ms; on the wire a process takes "
          f"{took[2] / processes:.0f} bytes, in the log {took[3] / processes:.0f}, on the server's "
          f"disk {2 * disk / events:.0f}", flush=True)


def main():
    if len(sys.argv) != 3 or os.geteuid() != 0:
        sys.exit(__doc__)
    program, actor = (pathlib.Path(it).resolve() for it in sys.argv[1:])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    folder = pathlib.Path(tempfile.mkdtemp(prefix=PREFIX))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    atexit.register(Network.clean)
    Network()
    server = Server(folder / "server")
    server.start()
    say("ClickHouse " + server.run("SELECT version()").strip())
    queries.check(server, checks)
    server.run("DROP DATABASE kernel_and_user_map")
    with open(queries.CLICKHOUSE / "schema.sql", "rb") as schema:
        run("clickhouse-client", "--host", "10.77.0.1", "--multiquery", stdin=schema)
    root = cgroup_root(folder)
    buffers = (SMALL_BUFFER, 1 << 30, 1 << 30)
    hosts = [Host(name, folder / name, root, program, actor, bytes_)
             for name, bytes_ in zip(HOSTS, buffers)]
    for scenario in (undisturbed, disturbed, rotated_while_full, losses_and_ends, costs,
                     sent_again):
        scenario(server, hosts)
    say("done" if not checks.failed else f"{checks.failed} failed")
    sys.exit(checks.failed > 0)


if __name__ == "__main__":
    main()
