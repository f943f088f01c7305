package httpclient

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWaitIn(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{
		`{"retry_after": 0.64, "message": "x"}`:                                                    640 * time.Millisecond,
		`{"error":{"retry_after_ms": 1500}}`:                                                       1500 * time.Millisecond,
		`{"error":{"metadata":{"retryAfter":"20"}}}`:                                               20 * time.Second,
		`{"error":{"details":[{"@type":"t/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}`:          34500 * time.Millisecond,
		`[{"error":{"details":[{"retryDelay":{"seconds":"34","nanos":500000000}}]}}]`:              34500 * time.Millisecond,
		`{"error":{"type":"usage_limit_reached","resets_in_seconds":3600,"resets_at":1795867260}}`: time.Hour,
		`{"resets_at":"2026-11-28T12:10:00Z"}`:                                                     10 * time.Minute,
		`{"retry_after":5,"resets_at":"2026-11-28T12:10:00Z"}`:                                     5 * time.Second,
		`{"error":"Model x is currently loading","estimated_time":20.5}`:                           20500 * time.Millisecond,
		`{"error":{"code":429,"metadata":{"headers":{"X-RateLimit-Limit":"50","X-RateLimit-Remaining":"0","X-RateLimit-Reset":"1795867260000"}}}}`: time.Minute,
		`{"retry_after":1e300}`:                           MaxRetryAfter,
		`{"retry_after":-1}`:                              none,
		`{"retry_after":null}`:                            none,
		`{"retry_after":"soon"}`:                          none,
		`{"usage":{"total_time":3}}`:                      none,
		`"retry_after"`:                                   none,
		strings.Repeat("[", 50) + strings.Repeat("]", 50): none,
	} {
		t.Run(body, func(t *testing.T) {
			var v any
			require.NoError(t, json.Unmarshal([]byte(body), &v))
			d, ok := waitIn(v, waitNow)
			if !ok {
				d = none
			}
			require.Equal(t, want, d)
		})
	}
}
