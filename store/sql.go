package store

// All SQL but that of the migrations.
const (
	sqlFormat = `SELECT (SELECT application_id FROM pragma_application_id),
		(SELECT user_version FROM pragma_user_version),
		(SELECT count(*) FROM sqlite_master)`
	sqlJournalMode = `PRAGMA journal_mode`
	sqlBegin       = `BEGIN IMMEDIATE`
	sqlCommit      = `COMMIT`
	sqlRollback    = `ROLLBACK`
	sqlIntegrity   = `PRAGMA integrity_check(20)`

	sqlJournalID     = `SELECT id FROM journals WHERE name = ?`
	sqlJournalCreate = `INSERT INTO journals (name) VALUES (?) RETURNING id`
	sqlJournalDelete = `DELETE FROM journals WHERE id = ?`
	sqlLastRecord    = `SELECT max(id) FROM records WHERE id BETWEEN ? AND ?`
	sqlRecordInsert  = `INSERT INTO records (id, data) VALUES (?, ?)`
	sqlRecords       = `SELECT id, data FROM records WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?`
	sqlRecordsDelete = `DELETE FROM records WHERE id BETWEEN ? AND ?`
	sqlRecordGaps    = `SELECT j.name, count(*), max(r.id) - (j.id << 32) + 1 FROM journals j
		JOIN records r ON r.id BETWEEN j.id << 32 AND (j.id << 32) + 4294967295
		GROUP BY j.id HAVING count(*) <> max(r.id) - (j.id << 32) + 1`
	sqlRecordOrphans = `SELECT count(*) FROM records WHERE id >> 32 NOT IN (SELECT id FROM journals)`

	sqlKeyGet    = `SELECT uid FROM run_keys WHERE app = ? AND namespace = ? AND workflow_name = ? AND run_key = ?`
	sqlKeyInsert = `INSERT INTO run_keys (app, namespace, workflow_name, run_key, uid) VALUES (?, ?, ?, ?, ?)`

	sqlRunID         = `SELECT id FROM runs WHERE uid = ?`
	sqlRunNameTaken  = `SELECT uid FROM runs WHERE namespace = ? AND name = ?`
	sqlRunUnfinished = `SELECT id, namespace, name, finished FROM runs WHERE uid = ?`
	sqlRunInsert     = `INSERT INTO runs (uid, namespace, name, app, workflow_name, run_key, created, origin, labels,
		phase, message, started, finished, progress, outputs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id`
	sqlWorkflowInsert = `INSERT INTO run_workflows (run, workflow) VALUES (?, ?)`
	sqlWorkflowGet    = `SELECT workflow FROM run_workflows WHERE run = ?`
	sqlWorkflowDelete = `DELETE FROM run_workflows WHERE run = ?`
	sqlRunUpdate      = `UPDATE runs SET phase = ?, message = ?, started = ?, finished = ?, progress = ?, outputs = ? WHERE uid = ?`
	sqlRunDelete      = `DELETE FROM runs WHERE id = ?`
	sqlRunColumns     = `SELECT id, uid, namespace, name, app, workflow_name, run_key, created, origin, labels,
		phase, message, started, finished, progress, outputs FROM runs `
	sqlRunByUID       = sqlRunColumns + `WHERE uid = ?`
	sqlRunByName      = sqlRunColumns + `WHERE namespace = ? AND name = ?`
	sqlRunsUnfinished = sqlRunColumns + `WHERE finished = 0 ORDER BY id`

	sqlNodePut = `INSERT INTO nodes (id, name, phase, data) VALUES (?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, phase = excluded.phase, data = excluded.data`
	sqlNodes       = `SELECT id, name, phase, data FROM nodes WHERE id BETWEEN ? AND ? ORDER BY id LIMIT ?`
	sqlNodeCounts  = `SELECT phase, count(*) FROM nodes WHERE id BETWEEN ? AND ? GROUP BY phase`
	sqlNodesDelete = `DELETE FROM nodes WHERE id BETWEEN ? AND ?`

	sqlDocGet    = `SELECT version, data FROM docs WHERE kind = ? AND key = ?`
	sqlDocInsert = `INSERT INTO docs (kind, key, version, data) VALUES (?, ?, ?, ?)`
	sqlDocUpdate = `UPDATE docs SET version = ?, data = ? WHERE kind = ? AND key = ?`
	sqlDocDelete = `DELETE FROM docs WHERE kind = ? AND key = ?`
	sqlDocs      = `SELECT key, version, data FROM docs WHERE kind = ? AND substr(key, 1, length(?)) = ? ORDER BY key`

	sqlFactInsert  = `INSERT INTO facts (kind, key, time, data) VALUES (?, ?, ?, ?) RETURNING id`
	sqlFactsByKey  = `SELECT id, key, time, data FROM facts WHERE kind = ? AND key = ? ORDER BY id DESC LIMIT ?`
	sqlFactsByKind = `SELECT id, key, time, data FROM facts WHERE kind = ? ORDER BY id DESC LIMIT ?`

	sqlNumberNext = `INSERT INTO numbers (kind, last) VALUES (?, 1)
		ON CONFLICT (kind) DO UPDATE SET last = last + 1 RETURNING last`
)
