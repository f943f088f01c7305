package hostile_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/hostile"
)

// recorder notices that a check fails.
type recorder struct {
	testing.TB
	failed bool
}

func (*recorder) Helper()                 {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (*recorder) Name() string            { return "recorder" }
func (r *recorder) FailNow()              { panic(r) }

func fails(check func(testing.TB, string), out string) (failed bool) {
	r := &recorder{}
	defer func() {
		if p := recover(); p != nil && p != any(r) {
			panic(p)
		}
		failed = r.failed
	}()
	check(r, out)
	return r.failed
}

// Every check fails on a text that is not escaped, and on one that has no field.
func TestChecksFail(t *testing.T) {
	t.Parallel()
	for name, check := range map[string]func(testing.TB, string){
		"Terminal": hostile.Terminal, "JSON": hostile.JSON, "Markdown": hostile.Markdown, "HTML": hostile.HTML, "XML": hostile.XML, "Cell": hostile.Cell,
	} {
		require.True(t, fails(check, hostile.Text("x")), name)
		require.True(t, fails(check, "nothing"), name)
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	type part struct {
		Name string
		Raw  json.RawMessage
	}
	var v struct {
		Name  string
		Parts []part
		Map   map[string]*part
		At    time.Time
		Self  *struct{ X any }
	}
	hostile.Fill(&v)
	require.Equal(t, hostile.Text("Name"), v.Name)
	require.Equal(t, hostile.Text("Parts[0].Name"), v.Parts[0].Name)
	require.True(t, json.Valid(v.Parts[0].Raw))
	require.Len(t, v.Map, 1)
	require.False(t, v.At.IsZero())
	require.NotNil(t, v.Self)
	require.NotEmpty(t, fmt.Sprint(v))
}
