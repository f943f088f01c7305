package pulsetest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/pulsetest"
)

// Numbers come back as they were written, however many digits they have.
func TestNumbers(t *testing.T) {
	t.Parallel()
	const large = `9007199254740993`
	s, _ := setup(pulsetest.Config{})
	status, body := call(t, s, "POST", "/tasks/schedule",
		`{"schedule_type":"run_agent","when":{"type":"once","delay":"0s"},"payload":{"params":{"n":`+large+`}},"metadata":{"order":`+large+`}}`)
	require.Equal(t, 200, status, body)
	path := "/tasks/" + field(t, body, "task_id").(string)
	for _, read := range []string{path, "/tasks", "/tasks/poll?types=run_agent"} {
		_, body = call(t, s, "GET", read, "")
		require.Contains(t, body, `"params":{"n":`+large+`}`)
		require.Contains(t, body, `"order":`+large)
	}
	status, body = call(t, s, "PATCH", path, `{"metadata":{"order":1`+large+`}}`)
	require.Equal(t, 200, status, body)
	require.Contains(t, body, `"order":1`+large)
	status, _ = call(t, s, "PATCH", path, `{"metadata":{}} {}`)
	require.Equal(t, 422, status)
}
