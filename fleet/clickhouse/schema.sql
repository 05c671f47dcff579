-- What the watchers of many machines tell, in ClickHouse from 18.16 on:
--
--     clickhouse-client --multiquery <schema.sql
--
-- Lines of `kernel_and_user_map -o json --host-fields` go into `lines`, as JSONEachRow, and from
-- there into the tables. A line that is sent twice counts once: each table has a key that names one
-- line of all, and merges those that have the same; FINAL in a query does so at once. What the
-- fields mean is told in docs/json.md.

CREATE DATABASE IF NOT EXISTS kernel_and_user_map;

-- The door: keeps nothing itself. Fields that it has no column for are skipped
-- (input_format_skip_unknown_fields=1 in the insert).
CREATE TABLE IF NOT EXISTS kernel_and_user_map.lines
(
    event String,
    time_ns Int64,
    host_name String,
    boot_id Nullable(String),
    -- exec, exit
    pid UInt32,
    ppid UInt32,
    parent Nullable(String),
    uid UInt32,
    gid UInt32,
    user Nullable(String),
    comm String,
    filename Nullable(String),
    args Array(String),
    args_truncated UInt8,
    forked UInt8,
    start_time_ns Int64,
    exec_id UInt64,
    cgroup Nullable(String),
    container_id Nullable(String),
    -- exit
    duration_ns Nullable(UInt64),
    exit_code Nullable(Int16),
    signal Nullable(String),
    core_dumped UInt8,
    cpu_ns Nullable(UInt64),
    max_rss_kib Nullable(UInt64),
    read_bytes Nullable(UInt64),
    write_bytes Nullable(UInt64),
    -- begin
    version String,
    kernel_release String,
    -- end
    run_time_ns UInt64,
    reported_execs UInt64,
    reported_exits UInt64,
    ended_unseen UInt64,
    hidden UInt64,
    unwritten UInt64,
    -- loss, end
    dropped_execs UInt64,
    dropped_exits UInt64,
    missed_execs_at_most UInt64,
    missed_exits_at_most UInt64
) ENGINE = Null;

-- Each exec and each exit, for "one host, one time". `time` follows from `time_ns`. It is in the key
-- since a current server with FINAL leaves days out only by what is there.
CREATE TABLE IF NOT EXISTS kernel_and_user_map.events
(
    host_name String,
    time DateTime('UTC'),
    time_ns Int64,
    event String,
    boot_id String,
    pid UInt32,
    ppid UInt32,
    parent String,
    uid UInt32,
    gid UInt32,
    user String,
    comm String,
    filename String,
    args Array(String),
    args_truncated UInt8,
    forked UInt8,
    start_time_ns Int64,
    exec_id UInt64,
    cgroup String,
    container_id String,
    duration_ns Nullable(UInt64),
    exit_code Nullable(Int16),
    signal String,
    core_dumped UInt8,
    cpu_ns Nullable(UInt64),
    max_rss_kib Nullable(UInt64),
    read_bytes Nullable(UInt64),
    write_bytes Nullable(UInt64)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(time)
ORDER BY (host_name, time, time_ns, boot_id, pid, start_time_ns, exec_id, event);

CREATE MATERIALIZED VIEW IF NOT EXISTS kernel_and_user_map.lines_to_events
TO kernel_and_user_map.events AS
SELECT
    host_name,
    toDateTime(intDiv(time_ns, 1000000000), 'UTC') AS time,
    time_ns,
    event,
    ifNull(boot_id, '') AS boot_id,
    pid, ppid,
    ifNull(parent, '') AS parent,
    uid, gid,
    ifNull(user, '') AS user,
    comm,
    ifNull(filename, '') AS filename,
    args, args_truncated, forked, start_time_ns, exec_id,
    ifNull(cgroup, '') AS cgroup,
    ifNull(container_id, '') AS container_id,
    duration_ns, exit_code,
    ifNull(signal, '') AS signal,
    core_dumped, cpu_ns, max_rss_kib, read_bytes, write_bytes
FROM kernel_and_user_map.lines
WHERE event IN ('exec', 'exit');

-- The same, less of each, for "one command, all hosts".
CREATE TABLE IF NOT EXISTS kernel_and_user_map.events_by_command
(
    comm String,
    time DateTime('UTC'),
    time_ns Int64,
    host_name String,
    event String,
    boot_id String,
    pid UInt32,
    user String,
    args Array(String),
    start_time_ns Int64,
    exec_id UInt64,
    duration_ns Nullable(UInt64),
    exit_code Nullable(Int16),
    signal String,
    cpu_ns Nullable(UInt64)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(time)
ORDER BY (comm, time, time_ns, host_name, boot_id, pid, start_time_ns, exec_id, event);

CREATE MATERIALIZED VIEW IF NOT EXISTS kernel_and_user_map.lines_to_events_by_command
TO kernel_and_user_map.events_by_command AS
SELECT
    comm,
    toDateTime(intDiv(time_ns, 1000000000), 'UTC') AS time,
    time_ns,
    host_name,
    event,
    ifNull(boot_id, '') AS boot_id,
    pid,
    ifNull(user, '') AS user,
    args, start_time_ns, exec_id, duration_ns, exit_code,
    ifNull(signal, '') AS signal,
    cpu_ns
FROM kernel_and_user_map.lines
WHERE event IN ('exec', 'exit');

-- What the watchers tell of themselves: `begin`, `loss` and `end`.
CREATE TABLE IF NOT EXISTS kernel_and_user_map.watch_lines
(
    host_name String,
    time DateTime('UTC'),
    time_ns Int64,
    event String,
    boot_id String,
    version String,
    kernel_release String,
    run_time_ns UInt64,
    reported_execs UInt64,
    reported_exits UInt64,
    ended_unseen UInt64,
    hidden UInt64,
    unwritten UInt64,
    dropped_execs UInt64,
    dropped_exits UInt64,
    missed_execs_at_most UInt64,
    missed_exits_at_most UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (host_name, time, time_ns, boot_id, event);

CREATE MATERIALIZED VIEW IF NOT EXISTS kernel_and_user_map.lines_to_watch_lines
TO kernel_and_user_map.watch_lines AS
SELECT
    host_name,
    toDateTime(intDiv(time_ns, 1000000000), 'UTC') AS time,
    time_ns,
    event,
    ifNull(boot_id, '') AS boot_id,
    version, kernel_release, run_time_ns, reported_execs, reported_exits, ended_unseen, hidden,
    unwritten, dropped_execs, dropped_exits, missed_execs_at_most, missed_exits_at_most
FROM kernel_and_user_map.lines
WHERE event IN ('begin', 'loss', 'end');

-- Programs: each exec with its exit. One without an exec is a fork that called none, or ran before
-- the watch; one without an exit goes on, or called another exec (the next exec_id of its pid). Names
-- of users and cgroups may be known at the exit only. It takes in all of a host, so a query of one
-- host and some days is better asked of `events`.
CREATE VIEW IF NOT EXISTS kernel_and_user_map.lives AS
SELECT
    host_name,
    boot_id,
    pid,
    start_time_ns,
    exec_id,
    argMin(ppid, time_ns) AS ppid,
    max(parent) AS parent,
    max(user) AS user,
    argMin(uid, time_ns) AS uid,
    argMin(comm, time_ns) AS comm,
    argMin(args, time_ns) AS args,
    max(cgroup) AS cgroup,
    max(container_id) AS container_id,
    minIf(time_ns, event = 'exec') AS exec_ns,
    maxIf(time_ns, event = 'exit') AS exit_ns,
    countIf(event = 'exec') > 0 AS has_exec,
    countIf(event = 'exit') > 0 AS has_exit,
    any(duration_ns) AS duration_ns,
    any(exit_code) AS exit_code,
    max(signal) AS signal,
    any(cpu_ns) AS cpu_ns,
    any(max_rss_kib) AS max_rss_kib
FROM kernel_and_user_map.events
GROUP BY host_name, boot_id, pid, start_time_ns, exec_id;

-- Watches: each `begin` with its `end`. One without an end goes on, or was killed: then another
-- begin of its host follows (`was_killed`), or the host is silent. `over_by` is the time of what
-- follows, 1970 where nothing does. For one watcher a host.
CREATE VIEW IF NOT EXISTS kernel_and_user_map.watches AS
SELECT
    host_name,
    begin.3 AS boot_id,
    begin.4 AS version,
    toDateTime(intDiv(begin.1, 1000000000), 'UTC') AS begin_time,
    next.2 = 'end' AS has_end,
    next.2 = 'begin' AS was_killed,
    toDateTime(intDiv(next.1, 1000000000), 'UTC') AS over_by,
    next.5 AS reported,
    next.6 AS lost
FROM
(
    SELECT
        host_name,
        arraySort(groupArray((time_ns, event, boot_id, version, reported_execs + reported_exits,
            dropped_execs + dropped_exits + missed_execs_at_most + missed_exits_at_most))) AS told,
        arrayPushBack(arrayPopFront(told), (toInt64(0), '', '', '', toUInt64(0), toUInt64(0))) AS told_next
    FROM (SELECT * FROM kernel_and_user_map.watch_lines FINAL WHERE event IN ('begin', 'end'))
    GROUP BY host_name
)
ARRAY JOIN told AS begin, told_next AS next
WHERE begin.2 = 'begin';
