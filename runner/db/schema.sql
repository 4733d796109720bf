-- Generated from the migrations (make docs): a new file is made by these, without Alembic.

CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)

CREATE TABLE attempts (
	job_id INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	lane VARCHAR(16) NOT NULL,
	worker INTEGER NOT NULL,
	slot TEXT,
	reserved_ticks BIGINT,
	outcome VARCHAR(24) NOT NULL,
	marked_at_ms BIGINT NOT NULL,
	sent_at_ms BIGINT,
	accepted_at_ms BIGINT,
	collected_at_ms BIGINT,
	request_id TEXT,
	http_status INTEGER,
	error_code VARCHAR(64),
	error_message TEXT,
	polls INTEGER NOT NULL,
	model TEXT,
	finish_reason VARCHAR(32),
	flaw VARCHAR(16),
	prompt_tokens BIGINT,
	cached_tokens BIGINT,
	completion_tokens BIGINT,
	reasoning_tokens BIGINT,
	total_tokens BIGINT,
	ticks BIGINT,
	ticks_source VARCHAR(16),
	prices_as_of VARCHAR(16),
	possible_ticks BIGINT, probable_ticks BIGINT,
	CONSTRAINT pk_attempts PRIMARY KEY (job_id, attempt)
)

CREATE TABLE eval_answers (
	measurement_id INTEGER NOT NULL,
	variant SMALLINT NOT NULL,
	item_id INTEGER NOT NULL,
	epoch SMALLINT NOT NULL,
	is_answered SMALLINT NOT NULL,
	service_id INTEGER,
	redrawn INTEGER NOT NULL,
	completion_tokens INTEGER,
	latency_ms BIGINT,
	ticks BIGINT,
	received_at_ms BIGINT,
	code TEXT,
	flaw VARCHAR(16),
	sha256 BLOB,
	CONSTRAINT pk_eval_answers PRIMARY KEY (measurement_id, variant, item_id, epoch)
)
 WITHOUT ROWID

CREATE TABLE eval_graders (
	id INTEGER NOT NULL,
	suite_id INTEGER NOT NULL,
	name TEXT NOT NULL,
	sha256 VARCHAR(64) NOT NULL,
	spec BLOB NOT NULL,
	CONSTRAINT pk_eval_graders PRIMARY KEY (id),
	CONSTRAINT uq_eval_graders_suite_id_name_sha256 UNIQUE (suite_id, name, sha256)
)

CREATE TABLE eval_grades (
	measurement_id INTEGER NOT NULL,
	grader_id INTEGER NOT NULL,
	variant SMALLINT NOT NULL,
	item_id INTEGER NOT NULL,
	epoch SMALLINT NOT NULL,
	value DOUBLE,
	label_id INTEGER,
	CONSTRAINT pk_eval_grades PRIMARY KEY (measurement_id, grader_id, variant, item_id, epoch)
)
 WITHOUT ROWID

CREATE TABLE eval_items (
	id INTEGER NOT NULL,
	suite_id INTEGER NOT NULL,
	"key" TEXT NOT NULL,
	sha256 BLOB NOT NULL,
	content BLOB NOT NULL,
	CONSTRAINT pk_eval_items PRIMARY KEY (id),
	CONSTRAINT uq_eval_items_suite_id_key_sha256 UNIQUE (suite_id, "key", sha256)
)

CREATE TABLE eval_labels (
	id INTEGER NOT NULL,
	label TEXT NOT NULL,
	reason TEXT NOT NULL,
	CONSTRAINT pk_eval_labels PRIMARY KEY (id),
	CONSTRAINT uq_eval_labels_label_reason UNIQUE (label, reason)
)

CREATE TABLE eval_measurements (
	id INTEGER NOT NULL,
	night_id INTEGER NOT NULL,
	number INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	is_graded SMALLINT NOT NULL,
	CONSTRAINT pk_eval_measurements PRIMARY KEY (id),
	CONSTRAINT uq_eval_measurements_night_id_number UNIQUE (night_id, number)
)

CREATE TABLE eval_night_graders (
	night_id INTEGER NOT NULL,
	grader_id INTEGER NOT NULL,
	CONSTRAINT pk_eval_night_graders PRIMARY KEY (night_id, grader_id)
)
 WITHOUT ROWID

CREATE TABLE eval_night_items (
	night_id INTEGER NOT NULL,
	position INTEGER NOT NULL,
	item_id INTEGER NOT NULL,
	CONSTRAINT pk_eval_night_items PRIMARY KEY (night_id, position)
)
 WITHOUT ROWID

CREATE TABLE eval_nights (
	id INTEGER NOT NULL,
	suite_id INTEGER NOT NULL,
	occasion VARCHAR(64) NOT NULL,
	repetition INTEGER NOT NULL,
	name TEXT NOT NULL,
	state VARCHAR(16) NOT NULL,
	created_at_ms BIGINT NOT NULL,
	ended_at_ms BIGINT,
	on_end_at_ms BIGINT,
	verdict VARCHAR(16),
	exit_code INTEGER,
	is_valid SMALLINT NOT NULL,
	is_accepted SMALLINT NOT NULL,
	pinned_as TEXT,
	variants TEXT NOT NULL,
	options BLOB NOT NULL,
	content BLOB NOT NULL,
	spec BLOB NOT NULL,
	CONSTRAINT pk_eval_nights PRIMARY KEY (id),
	CONSTRAINT ck_eval_nights_state CHECK (state IN ('ended', 'open')),
	CONSTRAINT uq_eval_nights_name UNIQUE (name),
	CONSTRAINT uq_eval_nights_suite_id_occasion_repetition UNIQUE (suite_id, occasion, repetition),
	CONSTRAINT uq_eval_nights_suite_id_pinned_as UNIQUE (suite_id, pinned_as)
)

CREATE TABLE eval_services (
	id INTEGER NOT NULL,
	model TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	CONSTRAINT pk_eval_services PRIMARY KEY (id),
	CONSTRAINT uq_eval_services_model_fingerprint UNIQUE (model, fingerprint)
)

CREATE TABLE eval_suites (
	id INTEGER NOT NULL,
	name TEXT NOT NULL,
	CONSTRAINT pk_eval_suites PRIMARY KEY (id),
	CONSTRAINT uq_eval_suites_name UNIQUE (name)
)

CREATE TABLE eval_verdicts (
	id INTEGER NOT NULL,
	night_id INTEGER NOT NULL,
	at_ms BIGINT NOT NULL,
	verdict VARCHAR(16) NOT NULL,
	exit_code INTEGER NOT NULL,
	mean DOUBLE,
	measured INTEGER NOT NULL,
	answers INTEGER NOT NULL,
	ticks BIGINT NOT NULL,
	services TEXT NOT NULL,
	report BLOB NOT NULL,
	CONSTRAINT pk_eval_verdicts PRIMARY KEY (id)
)

CREATE TABLE frames (
	run_id INTEGER NOT NULL,
	frame INTEGER NOT NULL,
	head BLOB NOT NULL,
	tail BLOB NOT NULL,
	CONSTRAINT pk_frames PRIMARY KEY (run_id, frame)
)

CREATE TABLE jobs (
	id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	line INTEGER NOT NULL,
	custom_id TEXT NOT NULL,
	model TEXT NOT NULL,
	prompt_tokens INTEGER NOT NULL,
	output_tokens_max INTEGER,
	body_bytes INTEGER NOT NULL,
	state VARCHAR(16) NOT NULL,
	due_at_ms BIGINT NOT NULL,
	lease_owner INTEGER,
	lease_until_ms BIGINT,
	lease_gen INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	answered_by INTEGER,
	spent INTEGER NOT NULL,
	extras INTEGER NOT NULL,
	polls INTEGER NOT NULL,
	misses INTEGER NOT NULL,
	settle_tries INTEGER NOT NULL,
	request_id TEXT,
	accepted_at_ms BIGINT,
	reserved_ticks BIGINT,
	error_code VARCHAR(64),
	finished_at_ms BIGINT, interrupted_at_ms BIGINT, asks INTEGER DEFAULT '0' NOT NULL, asked_after INTEGER, ask_tokens INTEGER DEFAULT '0' NOT NULL,
	CONSTRAINT pk_jobs PRIMARY KEY (id),
	CONSTRAINT uq_jobs_run_id_custom_id UNIQUE (run_id, custom_id),
	CONSTRAINT ck_jobs_state CHECK (state IN ('cancelled', 'collecting', 'failed', 'held', 'pending', 'stored', 'submitting', 'succeeded', 'waiting')),
	CONSTRAINT ck_jobs_final_has_finished_at CHECK ((state IN ('cancelled', 'failed', 'succeeded')) = (finished_at_ms IS NOT NULL)),
	CONSTRAINT ck_jobs_waiting_has_request_id CHECK (state NOT IN ('waiting', 'collecting') OR request_id IS NOT NULL)
)

CREATE TABLE operator_events (
	id INTEGER NOT NULL,
	at_ms BIGINT NOT NULL,
	kind VARCHAR(32) NOT NULL,
	run_id INTEGER,
	run_name TEXT,
	cause TEXT NOT NULL,
	actor TEXT NOT NULL,
	old TEXT,
	new TEXT,
	reason TEXT,
	CONSTRAINT pk_operator_events PRIMARY KEY (id)
)

CREATE TABLE payloads (
	job_id INTEGER NOT NULL,
	body BLOB NOT NULL,
	metadata BLOB,
	conv_id VARCHAR(64), set_model TEXT, frame INTEGER,
	CONSTRAINT pk_payloads PRIMARY KEY (job_id)
)

CREATE TABLE results (
	job_id INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	request_id TEXT NOT NULL,
	body BLOB NOT NULL,
	sha256 VARCHAR(64) NOT NULL,
	received_at_ms BIGINT NOT NULL,
	CONSTRAINT pk_results PRIMARY KEY (job_id, attempt),
	CONSTRAINT uq_results_request_id UNIQUE (request_id)
)

CREATE TABLE rows (
	id INTEGER NOT NULL,
	job_id BIGINT,
	fault TEXT,
	CONSTRAINT pk_rows PRIMARY KEY (id)
)

CREATE TABLE run_counters (
	run_id INTEGER NOT NULL,
	kind VARCHAR(24) NOT NULL,
	"key" TEXT NOT NULL,
	shard INTEGER NOT NULL,
	n BIGINT NOT NULL,
	CONSTRAINT pk_run_counters PRIMARY KEY (run_id, kind, "key", shard)
)

CREATE TABLE run_events (
	id INTEGER NOT NULL,
	run_id INTEGER NOT NULL,
	at_ms BIGINT NOT NULL,
	kind VARCHAR(32) NOT NULL,
	cause TEXT NOT NULL, actor TEXT, old TEXT, new TEXT, reason TEXT,
	CONSTRAINT pk_run_events PRIMARY KEY (id)
)

CREATE TABLE run_series (
	run_id INTEGER NOT NULL,
	at_ms BIGINT NOT NULL,
	model TEXT NOT NULL,
	shard SMALLINT NOT NULL,
	width_s SMALLINT NOT NULL,
	sent INTEGER NOT NULL,
	refused_for_now INTEGER NOT NULL,
	polls INTEGER NOT NULL,
	succeeded INTEGER NOT NULL,
	failed INTEGER NOT NULL,
	priced INTEGER NOT NULL,
	prompt_tokens BIGINT NOT NULL,
	cached_tokens BIGINT NOT NULL,
	completion_tokens BIGINT NOT NULL,
	reasoning_tokens BIGINT NOT NULL,
	total_tokens BIGINT NOT NULL,
	reported_ticks BIGINT NOT NULL,
	estimated_ticks BIGINT NOT NULL,
	possible_ticks BIGINT NOT NULL,
	latency_ms BIGINT NOT NULL,
	CONSTRAINT pk_run_series PRIMARY KEY (run_id, at_ms, model, shard)
)
 WITHOUT ROWID

CREATE TABLE runs (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	identity VARCHAR(64) NOT NULL,
	repetition INTEGER NOT NULL,
	name TEXT NOT NULL,
	state VARCHAR(16) NOT NULL,
	pause_reason VARCHAR(16),
	pause_text TEXT,
	input_path TEXT NOT NULL,
	input_sha256 VARCHAR(64) NOT NULL,
	output_path TEXT,
	options TEXT NOT NULL,
	total INTEGER NOT NULL,
	created_at_ms BIGINT NOT NULL,
	started_at_ms BIGINT,
	finished_at_ms BIGINT, occasion VARCHAR(64), recipe TEXT, needs TEXT,
	CONSTRAINT uq_runs_identity_repetition UNIQUE (identity, repetition),
	CONSTRAINT ck_runs_state CHECK (state IN ('cancelled', 'finished', 'loading', 'paused', 'ready', 'removing', 'running', 'waiting'))
)

CREATE TABLE team_limits (
	fingerprint VARCHAR(64) NOT NULL,
	team TEXT,
	rpm BIGINT,
	tpm BIGINT,
	version BIGINT NOT NULL,
	CONSTRAINT pk_team_limits PRIMARY KEY (fingerprint)
)

CREATE TABLE team_settings (
	fingerprint VARCHAR(64) NOT NULL,
	host TEXT NOT NULL,
	name VARCHAR(8) NOT NULL,
	value BIGINT NOT NULL,
	version BIGINT NOT NULL,
	CONSTRAINT pk_team_settings PRIMARY KEY (fingerprint, host, name)
)

CREATE TABLE unreadables (
	job_id INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	replies INTEGER NOT NULL,
	first_at_ms BIGINT NOT NULL,
	last_at_ms BIGINT NOT NULL,
	first_body BLOB NOT NULL,
	last_body BLOB NOT NULL,
	last_sha256 VARCHAR(64) NOT NULL,
	last_bytes INTEGER NOT NULL,
	same INTEGER NOT NULL,
	same_since_ms BIGINT NOT NULL,
	answers_before BIGINT NOT NULL,
	CONSTRAINT pk_unreadables PRIMARY KEY (job_id, attempt)
)

CREATE TABLE workers (
	id INTEGER NOT NULL,
	host TEXT NOT NULL,
	node TEXT NOT NULL,
	pid INTEGER NOT NULL,
	started_at_ms BIGINT NOT NULL,
	seen_at_ms BIGINT NOT NULL,
	ended_at_ms BIGINT, version VARCHAR(32), draining_at_ms BIGINT,
	CONSTRAINT pk_workers PRIMARY KEY (id)
)

CREATE INDEX ix_attempts_flaw ON attempts (job_id, flaw) WHERE flaw IS NOT NULL

CREATE INDEX ix_attempts_unread ON attempts (job_id) WHERE (possible_ticks > 0 OR probable_ticks > 0)

CREATE INDEX ix_eval_measurements_run_id ON eval_measurements (run_id)

CREATE INDEX ix_eval_verdicts_night_id_id ON eval_verdicts (night_id, id)

CREATE INDEX ix_jobs_cancelled ON jobs (run_id, id) WHERE state = 'cancelled'

CREATE INDEX ix_jobs_failed ON jobs (run_id, error_code, id) WHERE state = 'failed'

CREATE INDEX ix_jobs_held ON jobs (run_id, error_code, id) WHERE state = 'held'

CREATE INDEX ix_jobs_held_by_a_process ON jobs (lease_until_ms) WHERE state IN ('submitting', 'collecting', 'stored')

CREATE INDEX ix_jobs_pending ON jobs (run_id, id) WHERE state = 'pending'

CREATE INDEX ix_jobs_waiting ON jobs (due_at_ms) WHERE state = 'waiting'

CREATE INDEX ix_operator_events_at_ms_id ON operator_events (at_ms, id)

CREATE INDEX ix_operator_events_kind_at_ms_id ON operator_events (kind, at_ms, id)

CREATE INDEX ix_operator_events_run_id_id ON operator_events (run_id, id)

CREATE INDEX ix_run_events_at_ms_id ON run_events (at_ms, id)

CREATE INDEX ix_run_events_kind_at_ms_id ON run_events (kind, at_ms, id)

CREATE INDEX ix_run_events_run_id_id ON run_events (run_id, id)

CREATE INDEX ix_workers_host_pid_id ON workers (host, pid, id)
