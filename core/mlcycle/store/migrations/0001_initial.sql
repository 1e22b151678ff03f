-- Times are naive UTC. No foreign keys, no indexes: references are checked by commands, orphans reported by doctor.
CREATE TABLE meta(key VARCHAR PRIMARY KEY, value VARCHAR NOT NULL);
CREATE TABLE schema_version(version INTEGER PRIMARY KEY, name VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, app_version VARCHAR NOT NULL, applied_at TIMESTAMP NOT NULL);
CREATE TABLE segment(segment VARCHAR PRIMARY KEY, stream VARCHAR NOT NULL, folded_to BIGINT NOT NULL, bad BIGINT NOT NULL DEFAULT 0, refused BIGINT NOT NULL DEFAULT 0, done_at TIMESTAMP);
CREATE TABLE audit_log(audit_id UUID NOT NULL, ts TIMESTAMP NOT NULL, actor VARCHAR NOT NULL, action VARCHAR NOT NULL, object VARCHAR NOT NULL, before JSON, after JSON);

-- design
CREATE TABLE requirement(requirement_id VARCHAR NOT NULL, version INTEGER NOT NULL, role VARCHAR NOT NULL, statement VARCHAR, metric VARCHAR NOT NULL,
    comparison VARCHAR NOT NULL CHECK (comparison IN ('>=', '<=', '>', '<')), value DOUBLE NOT NULL, params JSON, budget DOUBLE, phases VARCHAR[] NOT NULL, owner VARCHAR,
    since TIMESTAMP NOT NULL, until TIMESTAMP);

-- data: a dataset version is a manifest of parts; a batch adds parts
CREATE TABLE batch(batch_id UUID NOT NULL, source VARCHAR NOT NULL, path VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, bytes BIGINT NOT NULL, rows BIGINT NOT NULL, malformed BIGINT NOT NULL,
    raw_part VARCHAR NOT NULL, malformed_part VARCHAR, set_aside BIGINT NOT NULL DEFAULT 0, mended BIGINT NOT NULL DEFAULT 0, dataset_version VARCHAR,
    state VARCHAR NOT NULL CHECK (state IN ('arrived', 'admitted', 'refused')), as_of TIMESTAMP NOT NULL, arrived_at TIMESTAMP NOT NULL, trained BOOLEAN NOT NULL DEFAULT FALSE);
CREATE TABLE dataset_version(dataset_version VARCHAR NOT NULL, dataset VARCHAR NOT NULL, number INTEGER NOT NULL, rows BIGINT NOT NULL, fingerprint VARCHAR NOT NULL, columns JSON NOT NULL,
    parent VARCHAR, created_at TIMESTAMP NOT NULL);
CREATE TABLE part(dataset_version VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, rows BIGINT NOT NULL, bytes BIGINT NOT NULL, position INTEGER NOT NULL);

-- quality
CREATE TABLE check_definition(check_id VARCHAR NOT NULL, name VARCHAR NOT NULL, dataset VARCHAR NOT NULL, dimension VARCHAR NOT NULL CHECK (dimension IN ('consistency', 'completeness', 'timeliness', 'accuracy')),
    severity VARCHAR NOT NULL CHECK (severity IN ('critical', 'warning', 'info')), kind VARCHAR NOT NULL, definition JSON NOT NULL, since TIMESTAMP NOT NULL);
CREATE TABLE quality_run(quality_run_id UUID NOT NULL, dataset VARCHAR NOT NULL, batch_id UUID NOT NULL, dataset_version VARCHAR, rows BIGINT NOT NULL, verdict VARCHAR NOT NULL, score DOUBLE,
    consistency DOUBLE, completeness DOUBLE, timeliness DOUBLE, accuracy DOUBLE, ts TIMESTAMP NOT NULL);
CREATE TABLE check_result(quality_run_id UUID NOT NULL, check_id VARCHAR NOT NULL, batch_id UUID NOT NULL, dataset_version VARCHAR, verdict VARCHAR NOT NULL CHECK (verdict IN ('pass', 'warn', 'fail', 'error', 'not measured')),
    considered BIGINT NOT NULL, bad_rows BIGINT NOT NULL, surplus BIGINT, observed VARCHAR, examples JSON, ts TIMESTAMP NOT NULL);
CREATE TABLE quarantined(dataset VARCHAR NOT NULL, batch_id UUID NOT NULL, row_number BIGINT NOT NULL, row_key VARCHAR, reason VARCHAR NOT NULL, check_id VARCHAR NOT NULL, content JSON, released_at TIMESTAMP);

-- features
CREATE TABLE feature_view(view VARCHAR NOT NULL, version INTEGER NOT NULL, sha256 VARCHAR NOT NULL, definition JSON NOT NULL, since TIMESTAMP NOT NULL);
CREATE TABLE training_set_version(training_set_id UUID NOT NULL, name VARCHAR NOT NULL, rows BIGINT NOT NULL, train_rows BIGINT NOT NULL, validation_rows BIGINT NOT NULL, fingerprint VARCHAR NOT NULL, sha256 VARCHAR NOT NULL,
    as_of TIMESTAMP NOT NULL, features VARCHAR[] NOT NULL, views JSON NOT NULL, dataset_versions JSON NOT NULL, look_ahead VARCHAR, created_at TIMESTAMP NOT NULL, signature JSON);

-- tracking: fed by the journal alone
CREATE TABLE run_start(run_id UUID NOT NULL, name VARCHAR, experiment VARCHAR NOT NULL, parent_run_id UUID, started_at TIMESTAMP NOT NULL, command VARCHAR, script_sha256 VARCHAR, git_commit VARCHAR, git_dirty BOOLEAN, environment JSON, segment VARCHAR);
CREATE TABLE run_end(run_id UUID NOT NULL, status VARCHAR NOT NULL, ended_at TIMESTAMP NOT NULL);
CREATE TABLE param(run_id UUID NOT NULL, key VARCHAR NOT NULL, value VARCHAR, ts TIMESTAMP NOT NULL);
CREATE TABLE tag(run_id UUID NOT NULL, key VARCHAR NOT NULL, value VARCHAR, ts TIMESTAMP NOT NULL);
CREATE TABLE artifact(run_id UUID NOT NULL, path VARCHAR NOT NULL, sha256 VARCHAR NOT NULL, bytes BIGINT NOT NULL, ts TIMESTAMP NOT NULL);
CREATE TABLE run_input(run_id UUID NOT NULL, kind VARCHAR NOT NULL, reference VARCHAR NOT NULL, ts TIMESTAMP NOT NULL);
CREATE TABLE metric(run_id UUID NOT NULL, key VARCHAR NOT NULL, step BIGINT NOT NULL, ts TIMESTAMP NOT NULL, value DOUBLE);

-- models
CREATE TABLE model_version(model VARCHAR NOT NULL, version INTEGER NOT NULL, run_id UUID NOT NULL, sha256 VARCHAR NOT NULL, bytes BIGINT NOT NULL, format VARCHAR NOT NULL CHECK (format IN ('onnx', 'skops')), task VARCHAR NOT NULL,
    parity DOUBLE, training_set_id UUID, signature JSON NOT NULL, created_at TIMESTAMP NOT NULL);
CREATE TABLE alias(model VARCHAR NOT NULL, alias VARCHAR NOT NULL, version INTEGER NOT NULL, since TIMESTAMP NOT NULL, rev BIGINT NOT NULL, PRIMARY KEY (model, alias));
CREATE TABLE decision(decision_id UUID NOT NULL, kind VARCHAR NOT NULL, subject VARCHAR NOT NULL, outcome VARCHAR NOT NULL CHECK (outcome IN ('approved', 'refused')), reasons VARCHAR[] NOT NULL, evidence JSON NOT NULL, decided_by VARCHAR NOT NULL, ts TIMESTAMP NOT NULL);
CREATE TABLE profile(model VARCHAR NOT NULL, version INTEGER NOT NULL, subject VARCHAR NOT NULL, kind VARCHAR NOT NULL CHECK (kind IN ('values', 'quantiles')), rows BIGINT NOT NULL, missing BIGINT NOT NULL, edges JSON NOT NULL, counts BIGINT[] NOT NULL);

-- delivery
CREATE TABLE image(image_id UUID NOT NULL, model VARCHAR NOT NULL, version INTEGER NOT NULL, tag VARCHAR NOT NULL, digest VARCHAR NOT NULL, bytes BIGINT, built_at TIMESTAMP NOT NULL);
CREATE TABLE deployment(deployment VARCHAR PRIMARY KEY, model VARCHAR NOT NULL, version INTEGER NOT NULL, kind VARCHAR NOT NULL, state VARCHAR NOT NULL CHECK (state IN ('starting', 'running', 'stopped', 'failed')),
    url VARCHAR, pid BIGINT, why VARCHAR, since TIMESTAMP NOT NULL, rev BIGINT NOT NULL);

-- live: prediction and resource_sample are fed by the journal, label by a command
CREATE TABLE prediction(prediction_id UUID NOT NULL, ts TIMESTAMP NOT NULL, as_of TIMESTAMP NOT NULL, deployment VARCHAR NOT NULL, model VARCHAR NOT NULL, version INTEGER NOT NULL, entity VARCHAR, score DOUBLE, latency_ms FLOAT,
    status USMALLINT NOT NULL, features VARIANT);
CREATE TABLE resource_sample(ts TIMESTAMP NOT NULL, deployment VARCHAR NOT NULL, cpu_pct FLOAT, rss_mb FLOAT);
CREATE TABLE label(prediction_id UUID NOT NULL, entity VARCHAR, as_of TIMESTAMP NOT NULL, value DOUBLE, known_at TIMESTAMP NOT NULL);
CREATE TABLE rollup_1m(minute TIMESTAMP NOT NULL, deployment VARCHAR NOT NULL, bucket SMALLINT NOT NULL, n BIGINT NOT NULL, errors BIGINT NOT NULL);

-- monitoring and retraining
CREATE TABLE window_metric(window_id UUID NOT NULL, deployment VARCHAR NOT NULL, metric VARCHAR NOT NULL, subject VARCHAR, starts TIMESTAMP NOT NULL, ends TIMESTAMP NOT NULL, n BIGINT NOT NULL, value DOUBLE, "limit" DOUBLE,
    verdict VARCHAR NOT NULL CHECK (verdict IN ('ok', 'watch', 'alert', 'too few', 'not measured')), requirement_id VARCHAR, requirement_version INTEGER, model VARCHAR, version INTEGER, computed_at TIMESTAMP NOT NULL, stamp VARCHAR);
CREATE TABLE alert(alert_id UUID NOT NULL, deployment VARCHAR NOT NULL, metric VARCHAR NOT NULL, subject VARCHAR NOT NULL, kind VARCHAR NOT NULL, window_start TIMESTAMP NOT NULL, window_end TIMESTAMP NOT NULL, severity VARCHAR NOT NULL,
    value DOUBLE, "limit" DOUBLE, state VARCHAR NOT NULL CHECK (state IN ('open', 'acknowledged', 'closed')), opened_at TIMESTAMP NOT NULL, model VARCHAR, version INTEGER);
CREATE TABLE retrain_trigger(trigger_id UUID NOT NULL, reason VARCHAR NOT NULL, evidence JSON NOT NULL, state VARCHAR NOT NULL CHECK (state IN ('open', 'running', 'done', 'rejected')), run_id UUID, ts TIMESTAMP NOT NULL, pid BIGINT);
