package apierror_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/internal/apierror"
)

// Bodies that are errors of the service itself.
func TestOwn(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]struct{ anywhere, notFound bool }{
		`{"error":{"message":"m"}}`:                   {true, true},
		`[{"error":{"message":"m"}}]`:                 {true, true},
		`{"type":"error","error":{"type":"t"}}`:       {true, true},
		`{"error":"model x not found"}`:               {true, true},
		`{"object":"error","message":"m","code":404}`: {true, true},
		`{"error":"Not Found","path":"/"}`:            {true, false},
		`{"message":"no Route matched"}`:              {true, false},
		`{"detail":"Not Found"}`:                      {true, false},
		`{"detail":[{"msg":"m"}]}`:                    {true, false},
		`{"error":{}}`:                                {false, false},
		`{"error":null,"message":""}`:                 {false, false},
		`{"status":"starting"}`:                       {false, false},
		`{}`:                                          {false, false},
		`[]`:                                          {false, false},
		`"error"`:                                     {false, false},
		`404 page not found`:                          {false, false},
		`{"base_resp":{"status_code":1004,"status_msg":"login fail"}}`: {true, true},
		`{"errors":[{"message":"m"}]}`:                                 {true, true},
		`{"code":10404,"msg":"m"}`:                                     {true, true},
		`{"Message":"m"}`:                                              {true, false},
		`{"fault":{"faultstring":"m"}}`:                                {true, true},
		`<Error><Code>C</Code><Message>m</Message></Error>`:            {true, false},
		`prompt is too long: 9 tokens`:                                 {true, true},
		`insufficient balance`:                                         {true, true},
	} {
		require.Equal(t, want.anywhere, apierror.Own(400, []byte(body)), body)
		require.Equal(t, want.anywhere, apierror.Own(401, []byte(body)), body)
		require.Equal(t, want.notFound, apierror.Own(404, []byte(body)), body)
	}
	require.True(t, apierror.Own(404, []byte(`{"detail":"Not Found"}`), "detail"))
}
