-- The numbers of the files are the formats of the store; a file that has been
-- released is never changed again.
--
-- Where a row is the n-th thing of the thing p, its id is p * 2^32 + n: it
-- clusters them, in order, in the one b-tree there is.

-- No id is given out twice: who still reads a deleted journal finds nothing.
CREATE TABLE journals (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE
);

-- id = journal, number of the record.
CREATE TABLE records (
    id   INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);

-- Times are nanoseconds since 1970, 0 for none.
CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    uid           TEXT NOT NULL UNIQUE,
    namespace     TEXT NOT NULL,
    name          TEXT NOT NULL,
    app           TEXT NOT NULL,
    workflow_name TEXT NOT NULL,
    run_key       TEXT NOT NULL,
    created       INTEGER NOT NULL,
    origin        BLOB,
    labels        BLOB,
    phase         TEXT NOT NULL,
    message       TEXT NOT NULL,
    started       INTEGER NOT NULL,
    finished      INTEGER NOT NULL,
    progress      TEXT NOT NULL,
    outputs       BLOB,
    UNIQUE (namespace, name)
);
CREATE INDEX runs_unfinished ON runs (id) WHERE finished = 0;
CREATE INDEX runs_by_workflow ON runs (namespace, workflow_name, id);

-- What a run was made from: large, and seldom read.
CREATE TABLE run_workflows (
    run      INTEGER PRIMARY KEY,
    workflow BLOB
);

-- Outlives its run: a key that started one never starts another.
CREATE TABLE run_keys (
    app           TEXT NOT NULL,
    namespace     TEXT NOT NULL,
    workflow_name TEXT NOT NULL,
    run_key       TEXT NOT NULL,
    uid           TEXT NOT NULL,
    PRIMARY KEY (app, namespace, workflow_name, run_key)
) WITHOUT ROWID;

-- id = run, index of the node.
CREATE TABLE nodes (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    phase TEXT NOT NULL,
    data  BLOB
);

CREATE TABLE docs (
    kind    TEXT NOT NULL,
    key     TEXT NOT NULL,
    version INTEGER NOT NULL,
    data    BLOB NOT NULL,
    PRIMARY KEY (kind, key)
);

CREATE TABLE facts (
    id   INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    key  TEXT NOT NULL,
    time INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX facts_by_key ON facts (kind, key, id);
CREATE INDEX facts_by_kind ON facts (kind, id);

-- The last number given out of each kind.
CREATE TABLE numbers (
    kind TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) WITHOUT ROWID;
