package lenient_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/executors/internal/lenient"
)

func TestObject(t *testing.T) {
	t.Parallel()
	o := lenient.Read(json.RawMessage(`{
		"text":"a","null":null,"number":12,"quoted":"13","float":7.9,"negative":-1,"huge":1e300,"id":9007199254740993,
		"list":["a",1],"one":{"x":1},"yes":true,"no":false,"word":"true","noWord":"False","zero":0,"empty":""}`))
	require.Equal(t, "a", o.Text("missing", "null", "text"))
	require.Empty(t, o.Text("number"))
	require.Nil(t, o.Get("null"))
	require.JSONEq(t, `9007199254740993`, string(o.Get("id")))
	for name, want := range map[string]int64{
		"number": 12, "quoted": 13, "float": 7, "negative": 0, "huge": 1 << 40, "text": 0, "missing": 0, "list": 0,
	} {
		require.Equal(t, want, o.Count(name), name)
	}
	require.Len(t, o.List("list"), 2)
	require.Len(t, o.List("one"), 1)
	require.Empty(t, o.List("null"))
	require.Equal(t, int64(1), o.Object("one").Count("x"))
	require.Nil(t, o.Object("list"))
	for name, want := range map[string]bool{
		"yes": true, "word": true, "one": true, "no": false, "noWord": false, "zero": false, "empty": false, "missing": false,
	} {
		require.Equal(t, want, o.True(name), name)
	}
	require.Nil(t, lenient.Read(json.RawMessage(`[]`)))
}
