package server

import (
	"context"
	databasesql "database/sql"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Clients that cancel their calls or die interrupt no later statement: everybody uses the
// one connection of the database. Versions of the driver before v1.42.2 lost the rows of a
// query that was cancelled as it returned, and every statement after it was interrupted.
func TestCancelledQueriesHarmNoLaterOnes(t *testing.T) {
	t.Parallel()
	db, err := databasesql.Open("sqlite_temporal", "file:cancelled?mode=memory&cache=shared")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	db.SetMaxOpenConns(1)
	_, err = db.Exec("CREATE TABLE numbers (n INTEGER); WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 200) INSERT INTO numbers SELECT n FROM c")
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	sum := func(ctx context.Context) (n int, err error) {
		rows, err := db.QueryContext(ctx, "SELECT n FROM numbers ORDER BY n % 7")
		if err != nil {
			return 0, err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			n++
		}
		return n, rows.Err()
	}
	ended := 0
	for range 3000 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(random.IntN(400))*time.Microsecond)
		if _, err := sum(ctx); err == nil {
			ended++
		}
		cancel()
		n, err := sum(t.Context())
		require.NoError(t, err)
		require.Equal(t, 200, n)
	}
	t.Log(ended, "of 3000 ended")
}
