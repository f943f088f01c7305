package server

import (
	databasesql "database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/sql"
	"go.temporal.io/server/common/persistence/sql/sqlplugin"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/resolver"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retention keeps closed workflows over a weekend.
const retention = 72 * time.Hour

// sqlConfig names the database and how to open it. Temporal shares one
// connection per name, so every access is in turn anyway.
func sqlConfig(file string) (*config.SQL, error) {
	if file == "" {
		return &config.SQL{
			PluginName:   sqliteplugin.PluginName,
			DatabaseName: "parley-" + strconv.FormatUint(rand.Uint64(), 36),
			ConnectAttributes: map[string]string{
				"mode":  "memory",
				"cache": "shared",
			},
		}, nil
	}
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	return &config.SQL{
		PluginName: sqliteplugin.PluginName,
		// The name goes into a URI, where a question mark would end it.
		DatabaseName: (&url.URL{Path: filepath.ToSlash(path)}).EscapedPath(),
		ConnectAttributes: map[string]string{
			"mode": "rwc",
			// A write-ahead log turns a commit into one append. NORMAL syncs it at
			// checkpoints: a killed process loses nothing, a power cut may lose the
			// last moments but not the file.
			"journal_mode": "WAL",
			"synchronous":  "NORMAL",
			// One process owns the file: cheaper, and a second devserver on the same
			// file fails at once instead of fighting over workflows.
			"locking_mode": "EXCLUSIVE",
			"busy_timeout": "500",
		},
	}, nil
}

// keepOpen holds a connection to a database in memory until it is closed. SQLite deletes
// such a database with its last connection, and Temporal has one, which database/sql may
// close. Nil: the database is a file.
func keepOpen(cfg *config.SQL) (*databasesql.DB, error) {
	if cfg.ConnectAttributes["mode"] != "memory" {
		return nil, nil
	}
	db, err := databasesql.Open("sqlite", "file:"+cfg.DatabaseName+"?mode=memory&cache=shared")
	if err != nil {
		return nil, databaseError(cfg, err)
	}
	// One connection that is never given up for being idle or old.
	db.SetMaxOpenConns(1)
	db.SetMaxIdleConns(1)
	if err := db.Ping(); err != nil {
		return nil, databaseError(cfg, errors.Join(err, db.Close()))
	}
	return db, nil
}

// prepareDatabase creates the schema and the namespaces.
func prepareDatabase(cfg *config.SQL, cluster string, namespaces []string, attributes map[string]enumspb.IndexedValueType) error {
	if cfg.ConnectAttributes["mode"] != "memory" { // Temporal sets a memory database up by itself
		if err := ensureSchema(cfg); err != nil {
			return databaseError(cfg, err)
		}
	}
	rows := make([]*sqlite.NamespaceConfig, 0, len(namespaces))
	for _, name := range namespaces {
		row, err := sqlite.NewNamespaceConfig(cluster, name, false, attributes)
		if err != nil {
			return fmt.Errorf("namespace %q: %w", name, err)
		}
		row.Detail.Config.Retention = durationpb.New(retention)
		rows = append(rows, row)
	}
	// Existing namespaces stay; missing attributes are added once the server runs.
	if err := sqlite.CreateNamespaces(cfg, rows...); err != nil {
		return databaseError(cfg, err)
	}
	return nil
}

// ensureSchema creates the schema in an empty file, in one transaction: a
// process killed half-way leaves an empty file again.
func ensureSchema(cfg *config.SQL) error {
	db, err := openDatabase(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	// IMMEDIATE also proves that the file is ours to write.
	if err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := ensureTables(cfg, db); err != nil {
		return errors.Join(err, db.Exec("ROLLBACK"))
	}
	return db.Exec("COMMIT")
}

func ensureTables(cfg *config.SQL, db sqlplugin.AdminDB) error {
	tables, err := db.ListTables(cfg.DatabaseName)
	switch {
	case err != nil:
		return err
	case len(tables) == 0:
		return sqlite.SetupSchemaOnDB(db)
	case !slices.Contains(tables, "executions_visibility") || !slices.Contains(tables, "namespaces"):
		return errors.New("the file holds something else than a Temporal server's state")
	}
	return nil
}

// checkpoint moves everything from the write-ahead log into the file itself, so
// that the file may be copied alone. Temporal never closes its connection,
// which would have done it.
func checkpoint(cfg *config.SQL) error {
	if cfg.ConnectAttributes["journal_mode"] != "WAL" {
		return nil
	}
	db, err := openDatabase(cfg)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	return db.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
}

// openDatabase is another handle on the one connection.
func openDatabase(cfg *config.SQL) (sqlplugin.AdminDB, error) {
	return sql.NewSQLAdminDB(sqlplugin.DbKindUnknown, cfg, resolver.NewNoopResolver(), log.NewNoopLogger(), metrics.NoopMetricsHandler)
}

// databaseError names the file, and puts SQLite's codes into words.
func databaseError(cfg *config.SQL, err error) error {
	if strings.Contains(err.Error(), "SQLITE_BUSY") || strings.Contains(err.Error(), "database is locked") {
		err = errors.New("another process is using it")
	}
	name := cfg.DatabaseName
	if path, unescapeErr := url.PathUnescape(name); unescapeErr == nil {
		name = path
	}
	return fmt.Errorf("database %s: %w", name, err)
}
