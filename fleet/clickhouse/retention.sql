-- How long it is kept, and how tightly, on servers of 2020 and later (19.6 for the TTL):
--
--     clickhouse-client --multiquery <retention.sql
--
-- Older ones have neither; there drop-old-days does it from cron, and compression.xml.

ALTER TABLE kernel_and_user_map.events MODIFY TTL time + INTERVAL 90 DAY;
ALTER TABLE kernel_and_user_map.events_by_command MODIFY TTL time + INTERVAL 400 DAY;
ALTER TABLE kernel_and_user_map.watch_lines MODIFY TTL time + INTERVAL 400 DAY;

ALTER TABLE kernel_and_user_map.events MODIFY COLUMN time_ns Int64 CODEC(Delta, ZSTD);
ALTER TABLE kernel_and_user_map.events MODIFY COLUMN start_time_ns Int64 CODEC(Delta, ZSTD);
ALTER TABLE kernel_and_user_map.events MODIFY COLUMN args Array(String) CODEC(ZSTD);
ALTER TABLE kernel_and_user_map.events MODIFY COLUMN filename String CODEC(ZSTD);
ALTER TABLE kernel_and_user_map.events MODIFY COLUMN cgroup String CODEC(ZSTD);
