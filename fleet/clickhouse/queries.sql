-- Ten questions to the fleet. The days, hosts and names in them are those of the example below each,
-- and are to be changed: `today()` in place of a day, `now() - 600` in place of a time. Days are told as
-- two times, so that ClickHouse reads these days only (18.16 does not by `toDate(time)`). The example's
-- answers are those that the test expects of its sample data (tests/fleet/sample.py).

-- 1. Which commands fail, on which hosts, and how?
WITH toDate('2026-01-15') AS day
SELECT
    comm AS command,
    host_name AS host,
    count() AS failures,
    arrayStringConcat(arraySort(groupUniqArray(
        if(signal != '', signal, toString(ifNull(exit_code, 0))))), ' ') AS how
FROM kernel_and_user_map.events FINAL
WHERE time >= toDateTime(day, 'UTC') AND time < toDateTime(day + 1, 'UTC')
    AND event = 'exit' AND (signal != '' OR ifNull(exit_code, 0) != 0)
GROUP BY command, host
ORDER BY failures DESC, command, host
LIMIT 20;
--   command  | host | failures | how
--   exporter | web1 | 7        | SIGABRT
--   worker   | web2 | 6        | 1
--   curl     | web2 | 2        | 7 SIGTERM
--   backup   | web1 | 1        | 1
--   pg_dump  | db1  | 1        | 2
--   postgres | db1  | 1        | SIGSEGV
--   psql     | db1  | 1        | SIGTERM
--   xmrig    | web1 | 1        | SIGKILL

-- 2. What ran that no host has run in the seven days before?
WITH toDate('2026-01-15') AS day
SELECT
    comm AS command,
    count() AS execs,
    min(time) AS first_time,
    arrayStringConcat(arraySort(groupUniqArray(host_name)), ' ') AS hosts
FROM kernel_and_user_map.events_by_command FINAL
WHERE time >= toDateTime(day - 7, 'UTC') AND time < toDateTime(day + 1, 'UTC')
    AND event = 'exec'
GROUP BY command
HAVING toDate(first_time) = day
ORDER BY first_time, command;
--   command   | execs | first_time          | hosts
--   xmrig     | 1     | 2026-01-15 03:12:07 | web1
--   curl      | 4     | 2026-01-15 09:00:00 | web2
--   sh        | 1     | 2026-01-15 09:00:00 | web2
--   systemctl | 2     | 2026-01-15 11:00:00 | web1
--   bash      | 1     | 2026-01-15 16:00:00 | db1
--   vacuumdb  | 1     | 2026-01-15 19:59:40 | db1

-- 3. Who starts many processes that live less than a second?
WITH toDate('2026-01-15') AS day
SELECT
    host_name AS host,
    parent,
    count() AS processes,
    round(avg(duration_ns) / 1e6, 1) AS mean_ms
FROM kernel_and_user_map.events FINAL
WHERE time >= toDateTime(day, 'UTC') AND time < toDateTime(day + 1, 'UTC')
    AND event = 'exit' AND duration_ns < 1000000000
GROUP BY host, parent
ORDER BY processes DESC, host, parent
LIMIT 3;
--   host | parent | processes | mean_ms
--   web2 | runner | 6         | 300
--   web2 | sh     | 3         | 50
--   web1 | cron   | 2         | 1

-- 4. Which jobs took longest?
WITH toDate('2026-01-15') AS day
SELECT
    host_name AS host,
    user,
    toDateTime(intDiv(start_time_ns, 1000000000), 'UTC') AS start,
    round(duration_ns / 1e9, 1) AS seconds,
    if(signal != '', signal, ifNull(toString(exit_code), '?')) AS result,
    arrayStringConcat(args, ' ') AS command_line
FROM kernel_and_user_map.events FINAL
WHERE time >= toDateTime(day, 'UTC') AND time < toDateTime(day + 1, 'UTC')
    AND event = 'exit'
ORDER BY duration_ns DESC
LIMIT 3;
--   host | user     | start               | seconds | result  | command_line
--   db1  | postgres | 2026-01-14 08:00:00 | 113400  | SIGSEGV | postgres -D /data
--   web1 | www-data | 2026-01-15 03:12:07 | 3600    | SIGKILL | xmrig -o pool.example:3333
--   db1  | postgres | 2026-01-15 15:29:58 | 602     | 2       | pg_dump main

-- 5. Who ran what as root, from which login session?
WITH toDate('2026-01-15') AS day
SELECT
    host_name AS host,
    extract(cgroup, 'user-([0-9]+)[.]slice') AS uid_of_login,
    extract(cgroup, 'session-([^.]+)[.]scope') AS session,
    arrayStringConcat(args, ' ') AS command_line,
    count() AS execs
FROM kernel_and_user_map.events FINAL
WHERE time >= toDateTime(day, 'UTC') AND time < toDateTime(day + 1, 'UTC')
    AND event = 'exec' AND uid = 0 AND session != ''
GROUP BY host, uid_of_login, session, command_line
ORDER BY host, session, command_line;
--   host | uid_of_login | session | command_line            | execs
--   db1  | 1001         | c2      | bash                    | 1
--   web1 | 1000         | 3       | systemctl restart nginx | 2

-- 6. What ran in this container? (the beginning of its id is enough)
WITH toDate('2026-01-15') AS day, '4f1c0ae3b57d' AS id
SELECT
    host_name AS host,
    substring(container_id, 1, 12) AS container,
    arrayStringConcat(args, ' ') AS command_line,
    countIf(event = 'exec') AS execs,
    countIf(event = 'exit' AND (signal != '' OR ifNull(exit_code, 0) != 0)) AS failures,
    min(time) AS first_time
FROM kernel_and_user_map.events FINAL
WHERE time >= toDateTime(day, 'UTC') AND time < toDateTime(day + 1, 'UTC')
    AND startsWith(container_id, id)
GROUP BY host, container, command_line
ORDER BY first_time, command_line;
--   host | container    | command_line                | execs | failures | first_time
--   web2 | 4f1c0ae3b57d | curl -fsS http://api/health | 4     | 2        | 2026-01-15 09:00:00
--   web2 | 4f1c0ae3b57d | sh /entry.sh                | 1     | 0        | 2026-01-15 09:00:00

-- 7. Which watchers have lost events, were killed, or say nothing any more? (of those heard since)
WITH toDateTime('2026-01-08 00:00:00', 'UTC') AS since, toDateTime('2026-01-15 23:50:00', 'UTC') AS lately
SELECT
    host_name AS host,
    sum(lost_events) AS lost,
    sum(kills) AS killed,
    max(heard) AS last_line,
    last_line < lately AS is_silent
FROM
(
    SELECT
        host_name,
        sum(dropped_execs + dropped_exits + missed_execs_at_most + missed_exits_at_most) AS lost_events,
        toUInt64(0) AS kills,
        max(time) AS heard
    FROM kernel_and_user_map.watch_lines FINAL
    WHERE event = 'loss'
    GROUP BY host_name, time
    UNION ALL
    SELECT host_name, toUInt64(0), toUInt64(was_killed), greatest(begin_time, over_by)
    FROM kernel_and_user_map.watches
    UNION ALL
    SELECT host_name, toUInt64(0), toUInt64(0), max(time)
    FROM kernel_and_user_map.events
    WHERE time >= toDateTime('2026-01-08 00:00:00', 'UTC')
    GROUP BY host_name
)
WHERE heard >= since
GROUP BY host
HAVING lost > 0 OR killed > 0 OR is_silent
ORDER BY host;
--   host | lost | killed | last_line           | is_silent
--   db1  | 10   | 0      | 2026-01-15 20:00:30 | 1
--   old1 | 0    | 0      | 2026-01-14 18:00:00 | 1
--   web1 | 2    | 0      | 2026-01-15 23:59:00 | 0
--   web2 | 0    | 1      | 2026-01-15 23:58:00 | 0

-- 8. What is started again and again, and fails each time? (five times in ten minutes)
WITH toDate('2026-01-15') AS day
SELECT
    host_name AS host,
    parent,
    comm AS command,
    toDateTime(intDiv(toUInt32(time), 600) * 600, 'UTC') AS ten_minutes,
    count() AS failures,
    any(if(signal != '', signal, toString(ifNull(exit_code, 0)))) AS how
FROM kernel_and_user_map.events FINAL
WHERE time >= toDateTime(day, 'UTC') AND time < toDateTime(day + 1, 'UTC')
    AND event = 'exit' AND (signal != '' OR ifNull(exit_code, 0) != 0)
GROUP BY host, parent, command, ten_minutes
HAVING failures >= 5
ORDER BY failures DESC, host, command;
--   host | parent  | command  | ten_minutes         | failures | how
--   web2 | runner  | worker   | 2026-01-15 14:00:00 | 6        | 1
--   web1 | systemd | exporter | 2026-01-15 12:20:00 | 5        | SIGABRT

-- 9. What happened on this host in the ten seconds before its last crash?
WITH 'db1' AS crashed,
(
    SELECT max(time_ns) FROM kernel_and_user_map.events
    WHERE host_name = 'db1' AND time >= '2026-01-15 00:00:00' AND time < '2026-01-16 00:00:00'
        AND signal IN ('SIGSEGV', 'SIGABRT', 'SIGBUS', 'SIGILL', 'SIGFPE')
) AS crash_ns
SELECT
    round((time_ns - crash_ns) / 1e9, 1) AS seconds,
    event,
    pid,
    user,
    arrayStringConcat(args, ' ') AS command_line,
    if(signal != '', signal, ifNull(toString(exit_code), '')) AS result
FROM kernel_and_user_map.events FINAL
WHERE host_name = crashed AND time_ns > crash_ns - 10000000000 AND time_ns <= crash_ns
    AND time >= toDateTime(intDiv(crash_ns, 1000000000) - 10, 'UTC')
    AND time <= toDateTime(intDiv(crash_ns, 1000000000), 'UTC')
ORDER BY time_ns, event, pid;
--   seconds | event | pid  | user     | command_line      | result
--   -5      | exec  | 4101 | alice    | psql -c select 1  |
--   -4      | exit  | 4101 | alice    | psql -c select 1  | 0
--   -2      | exec  | 4102 | postgres | pg_dump main      |
--   0       | exit  | 900  | postgres | postgres -D /data | SIGSEGV

-- 10. How long does this command take, day by day?
WITH 'backup' AS command
SELECT
    toDate(time) AS day,
    count() AS runs,
    round(quantileExact(0.5)(duration_ns) / 1e9, 1) AS p50_seconds,
    round(quantileExact(0.99)(duration_ns) / 1e9, 1) AS p99_seconds
FROM kernel_and_user_map.events_by_command FINAL
WHERE comm = command AND event = 'exit' AND isNotNull(duration_ns)
GROUP BY day
ORDER BY day;
--   day        | runs | p50_seconds | p99_seconds
--   2026-01-14 | 3    | 200         | 300
--   2026-01-15 | 3    | 250         | 600
