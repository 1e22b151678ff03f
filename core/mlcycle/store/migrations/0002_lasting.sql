-- What lists, filters and charts read of a run's metrics: one row a run and key, brought along by each fold. lo and hi pass over NaN.
CREATE TABLE metric_last(run_id UUID NOT NULL, key VARCHAR NOT NULL, step BIGINT NOT NULL, ts TIMESTAMP NOT NULL, value DOUBLE, lo DOUBLE, hi DOUBLE, n BIGINT NOT NULL);
INSERT INTO metric_last SELECT run_id, key, max(step), arg_max(ts, (step, ts, value)), arg_max_null(value, (step, ts, value)), min(value) FILTER (NOT isnan(value)), max(value) FILTER (NOT isnan(value)), count(*) FROM metric GROUP BY run_id, key;

-- A run is open while any process that began or resumed it lives and has not ended it: the writer is the process's mark in its segment's name.
CREATE TABLE run_writer(run_id UUID NOT NULL, writer VARCHAR NOT NULL, ts TIMESTAMP NOT NULL);
INSERT INTO run_writer SELECT run_id, regexp_extract(segment, '^[0-9]+-(.*)\.jnl$', 1), started_at FROM run_start WHERE segment IS NOT NULL;
ALTER TABLE run_end ADD COLUMN writer VARCHAR;
UPDATE run_end SET writer = w.writer FROM run_writer AS w WHERE w.run_id = run_end.run_id;

-- Predictions that were moved out of the table into files of their own, by day served; raw rows may go, their histograms stay.
CREATE TABLE prediction_archive(sha256 VARCHAR NOT NULL, day DATE NOT NULL, rows BIGINT NOT NULL, bytes BIGINT NOT NULL, first_ts TIMESTAMP NOT NULL, last_ts TIMESTAMP NOT NULL, archived_at TIMESTAMP NOT NULL, dropped_at TIMESTAMP);
CREATE TABLE prediction_histogram(day DATE NOT NULL, deployment VARCHAR NOT NULL, model VARCHAR NOT NULL, version INTEGER NOT NULL, subject VARCHAR NOT NULL, bin VARCHAR NOT NULL, n BIGINT NOT NULL);
