package apierror_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/parley-run/parley/executors/internal/apierror"
)

// Read and Within never panic, take a time that the size of the body bounds, and return
// bounded lines of text, whatever the body.
func FuzzRead(f *testing.F) {
	for _, m := range meanings {
		f.Add([]byte(said(m.messages[0])))
	}
	for _, body := range []string{
		`{"detail":[{"loc":["body","n"],"msg":"bad","input":{"messages":[`, `{'error': {'message': "it's", 'loc': ('a', 1), 'ctx': ValueError('x')}}`,
		`<html><title>t</title>`, `<Error><Code>C</Code><Message><![CDATA[m]]></Message></Error>`, "data: {\"error\":1}\n\n", `[[[[{"error":{"error":"{\"error\":\"{}\"}"}}`,
		`{"error":{"metadata":{"raw":"{\"error\":{\"metadata\":{\"raw\":\"{}\"}}}"}}}`, strings.Repeat(`{"error":`, 100), strings.Repeat("{[", 1000), "\xff\xfe", `"\ud83d`,
		`{"error":{"details":[{"@type":"a.QuotaFailure","violations":[{"quotaId":"PerDay"}]},{"@type":"a.RetryInfo","retryDelay":"1e99s"}]}}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		began := time.Now()
		for _, read := range []func([]byte) (apierror.Error, bool){apierror.Read, apierror.Within, apierror.Declared} {
			e, _ := read(body)
			check(t, e)
		}
		check(t, apierror.OfText(string(body)))
		apierror.Own(404, body)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%d bytes took %v", len(body), took)
		}
	})
}

func check(t *testing.T, e apierror.Error) {
	t.Helper()
	if len(e.Message) > 2000 || len(e.Code) > 200 || len(e.Type) > 200 || len(e.Param) > 200 || len(e.Words) > 5 {
		t.Errorf("a field is too long: %d bytes of message", len(e.Message))
	}
	for _, s := range append([]string{e.Message, e.Code, e.Type, e.Param}, e.Words...) {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "\n\r\x00\x1b") {
			t.Errorf("%q is no line of text", s)
		}
	}
	if e.RetryAfter < 0 || e.Status < 0 || e.Status > 599 {
		t.Errorf("the wait is %v, the status %d", e.RetryAfter, e.Status)
	}
	kind := e.Kind(400, 0, table)
	if kind == "" || len(e.Remedy(kind, 400, table)) > 700 || len(e.Text(400)) > 4000 {
		t.Error("no kind, or a text that is too long")
	}
}

// Texts within texts are not read again and again.
func TestTimeIsBounded(t *testing.T) {
	t.Parallel()
	nested := `{"message":"bad"}`
	for len(nested) < 40_000 {
		nested = `{"error":{"message":` + quoted("{[ {[ "+nested) + `}}`
	}
	for _, body := range []string{nested, strings.Repeat(`{"a":[`, 20_000), strings.Repeat(`{'a': [`, 20_000), strings.Repeat("'", 1<<20), strings.Repeat("try again in ", 20_000)} {
		began := time.Now()
		e, _ := apierror.Read([]byte(body))
		check(t, e)
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("%.40q took %v", body, took)
		}
	}
}

func quoted(s string) string {
	var b bytes.Buffer
	b.WriteByte('"')
	for _, c := range []byte(s) {
		if c == '"' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteByte(c)
	}
	b.WriteByte('"')
	return b.String()
}
