package server

import (
	databasesql "database/sql"
	"testing"

	"github.com/stretchr/testify/require"
)

// A database in memory survives the loss of Temporal's only connection.
func TestMemoryOutlivesTemporalsConnection(t *testing.T) {
	t.Parallel()
	cfg, err := sqlConfig("")
	require.NoError(t, err)
	kept, err := keepOpen(cfg)
	require.NoError(t, err)
	temporals, err := databasesql.Open("sqlite", "file:"+cfg.DatabaseName+"?mode=memory&cache=shared")
	require.NoError(t, err)
	_, err = temporals.Exec("CREATE TABLE acknowledged (id INTEGER)")
	require.NoError(t, err)
	require.NoError(t, temporals.Close())
	tables := func(db *databasesql.DB) (n int) {
		require.NoError(t, db.QueryRow("SELECT count(*) FROM sqlite_master WHERE name IN ('acknowledged', 'namespaces')").Scan(&n))
		return n
	}
	require.Equal(t, 1, tables(kept))
	// It is the database that Temporal uses.
	require.NoError(t, prepareDatabase(cfg, clusterName, []string{"default"}, nil))
	require.Equal(t, 2, tables(kept))
	require.NoError(t, kept.Close())

	file, err := sqlConfig(t.TempDir() + "/temporal.db")
	require.NoError(t, err)
	none, err := keepOpen(file)
	require.NoError(t, err)
	require.Nil(t, none, "a file needs none")
}
