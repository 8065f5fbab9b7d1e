package store

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"sort"
	"strconv"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Migrations are an ordered list of SQL files, one a format. The format is
// SQLite's user_version, which a migration changes in its own transaction, so
// that opening a store costs one read and a half-made store cannot exist.

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks a SQLite file as pawl's ("pawl" in ASCII).
const applicationID = 0x7061776c

func openReads(path string) *sql.DB {
	db := openDB(path, url.Values{
		"mode":    {"ro"},
		"_pragma": {"busy_timeout(10000)", "query_only(1)"},
	})
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	return db
}

// openWrites opens the one connection that writes. With synchronous=FULL a
// commit returns after the write-ahead log is on the disk.
func openWrites(path string) *sql.DB {
	db := openDB(path, url.Values{
		"mode":    {"rwc"},
		"_pragma": {"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-16000)"},
	})
	db.SetMaxOpenConns(1)
	return db
}

// openDB cannot fail: the driver is linked in, and connects when it is used.
func openDB(path string, q url.Values) *sql.DB {
	u := url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		panic(err)
	}
	return db
}

// formats are the migrations in order; entry i leads to format i+1.
func formats() ([]string, error) {
	entries, err := fs.ReadDir(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, "migrations/"+e.Name())
	}
	sort.Strings(names)
	return names, nil
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// format reads the format of a store: 0 for an empty file.
func format(ctx context.Context, q querier) (int, error) {
	var app, version, tables int
	if err := q.QueryRowContext(ctx, sqlFormat).Scan(&app, &version, &tables); err != nil {
		return 0, err
	}
	if app != applicationID && (app != 0 || tables != 0) {
		return 0, fmt.Errorf("it is a database, but not one of pawl's: choose another folder with --data")
	}
	return version, nil
}

// checkFormat returns a FormatError unless the format is the one we write.
func checkFormat(ctx context.Context, q querier) error {
	all, err := formats()
	if err != nil {
		return err
	}
	found, err := format(ctx, q)
	if err != nil {
		return err
	}
	if found != len(all) {
		return &FormatError{Found: found, Known: len(all)}
	}
	return nil
}

// migrate brings the store to the format we write.
func migrate(ctx context.Context, conn *sql.Conn) error {
	all, err := formats()
	if err != nil {
		return err
	}
	found, err := format(ctx, conn)
	if err != nil {
		return err
	}
	if found > len(all) {
		return &FormatError{Found: found, Known: len(all)}
	}
	for i := found; i < len(all); i++ {
		if err := migrateTo(ctx, conn, all[i], i+1); err != nil {
			return fmt.Errorf("bringing it to format %d: %w", i+1, err)
		}
	}
	return nil
}

func migrateTo(ctx context.Context, conn *sql.Conn, file string, version int) error {
	script, err := migrations.ReadFile(file)
	if err != nil {
		return err
	}
	// The write lock comes before the look at the format: processes that open a
	// new store at once bring it forward one after the other.
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // after COMMIT it does nothing
	if found, err := format(ctx, conn); err != nil || found >= version {
		return err
	}
	for _, q := range []string{
		string(script),
		"PRAGMA application_id = " + strconv.Itoa(applicationID),
		"PRAGMA user_version = " + strconv.Itoa(version),
		"COMMIT",
	} {
		if _, err := conn.ExecContext(ctx, q); err != nil {
			return err
		}
	}
	return nil
}
