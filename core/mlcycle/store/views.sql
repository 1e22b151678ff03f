-- The public views: what `mlcycle sql`, lessons, exports and other people's notebooks may rely on. Columns are added, never renamed.
-- Tables fed by the journal are read through live_*: the table alone, or with the journal's tail when a fold could not come first.
-- A run goes on while one of the processes that began or resumed it has not ended it as often: counted, since clocks may be set back.
CREATE VIEW runs AS
    SELECT s.run_id, s.name, s.experiment, CASE WHEN w.goes_on THEN 'running' ELSE coalesce(e.status, 'running') END AS status, s.parent_run_id, s.started_at,
        CASE WHEN w.goes_on THEN NULL ELSE e.ended_at END AS ended_at, s.command, s.script_sha256, s.git_commit, s.git_dirty, s.environment
    FROM (SELECT * FROM live_run_start QUALIFY row_number() OVER (PARTITION BY run_id ORDER BY started_at) = 1) AS s
    LEFT JOIN (SELECT run_id, arg_max(status, ended_at) AS status, max(ended_at) AS ended_at FROM live_run_end GROUP BY run_id) AS e USING (run_id)
    LEFT JOIN (SELECT run_id, bool_or(begun > coalesce(ended, 0)) AS goes_on
        FROM (SELECT run_id, writer, count(*) AS begun FROM live_run_writer GROUP BY run_id, writer)
        LEFT JOIN (SELECT run_id, writer, count(*) AS ended FROM live_run_end GROUP BY run_id, writer) USING (run_id, writer)
        GROUP BY run_id) AS w USING (run_id);
-- Of two values for one param the first that was acknowledged holds; the others are conflicts.
CREATE VIEW params AS SELECT run_id, key, arg_min_null(value, ts) AS value FROM live_param GROUP BY run_id, key;
CREATE VIEW param_conflicts AS SELECT p.run_id, p.key, f.value, p.value AS other, min(p.ts) AS ts
    FROM live_param AS p JOIN (SELECT run_id, key, arg_min_null(value, ts) AS value FROM live_param GROUP BY run_id, key) AS f USING (run_id, key)
    WHERE p.value IS DISTINCT FROM f.value GROUP BY p.run_id, p.key, f.value, p.value;
CREATE VIEW tags AS SELECT run_id, key, arg_max(value, ts) AS value FROM live_tag GROUP BY run_id, key;
CREATE VIEW metrics AS SELECT DISTINCT run_id, key, step, ts, value FROM live_metric;
CREATE VIEW latest_metrics AS SELECT run_id, key, value, step, lo, hi, n FROM live_metric_last;
CREATE VIEW artifacts AS SELECT run_id, path, arg_max(sha256, ts) AS sha256, arg_max(bytes, ts) AS bytes FROM live_artifact GROUP BY run_id, path;
CREATE VIEW run_inputs AS SELECT DISTINCT run_id, kind, reference FROM live_run_input;
CREATE VIEW requirements AS SELECT requirement_id, version, role, metric, comparison, value, budget, phases, owner, since, until, statement, params FROM requirement;
CREATE VIEW batches AS SELECT batch_id, source, dataset_version, rows, set_aside, arrived_at, malformed, mended, state, as_of, path, sha256, bytes, trained FROM batch;
CREATE VIEW dataset_versions AS SELECT dataset_version, dataset, rows, fingerprint, created_at, parent, number FROM dataset_version;
CREATE VIEW checks AS SELECT check_id, name, dataset, dimension, severity, kind, definition FROM check_definition;
CREATE VIEW check_results AS SELECT check_id, dataset_version, verdict, considered, bad_rows, surplus, ts, batch_id, observed, examples FROM check_result;
CREATE VIEW quality_runs AS SELECT * FROM quality_run;
CREATE VIEW quarantine AS SELECT dataset, batch_id, row_key, reason, check_id, released_at, row_number, content FROM quarantined;
CREATE VIEW training_sets AS SELECT training_set_id, rows, fingerprint, as_of, features, name, train_rows, validation_rows, look_ahead, created_at FROM training_set_version;
CREATE VIEW model_versions AS SELECT model, version, run_id, sha256, format, created_at, task, bytes, parity, training_set_id FROM model_version;
CREATE VIEW aliases AS SELECT model, alias, version, since FROM alias;
CREATE VIEW decisions AS SELECT decision_id, kind, subject, outcome, reasons, evidence, decided_by, ts FROM decision;
CREATE VIEW deployments AS SELECT deployment, model, version, kind, state, since, url, why FROM deployment;
CREATE VIEW images AS SELECT model, version, tag, digest, bytes, built_at FROM image;
-- features is a VARIANT: write features.age::DOUBLE. Without the cast a lone features.age is fine, but sums and means of it are rounded.
CREATE VIEW predictions AS SELECT prediction_id, ts, as_of, deployment, model, version, entity, score, latency_ms, status, features FROM live_prediction;
CREATE VIEW resources AS SELECT ts, deployment, cpu_pct, rss_mb FROM live_resource_sample;
-- A label that was corrected stays in the table; what counts is the one known last.
CREATE VIEW labels AS SELECT prediction_id, arg_max(entity, known_at) AS entity, arg_max(as_of, known_at) AS as_of, arg_max(value, known_at) AS value, max(known_at) AS known_at FROM label GROUP BY prediction_id;
CREATE VIEW windows AS SELECT deployment, metric, subject, starts AS start, ends AS "end", n, value, "limit", verdict, requirement_id, requirement_version, model, version FROM window_metric;
CREATE VIEW alerts AS SELECT alert_id, deployment, metric, subject, window_start, severity, state, kind, window_end, value, "limit", opened_at, model, version FROM alert;
CREATE VIEW triggers AS SELECT trigger_id, reason, evidence, state, ts, run_id FROM retrain_trigger;
CREATE VIEW audit AS SELECT ts, actor, action, object, before, after FROM audit_log;
