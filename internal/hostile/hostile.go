// Package hostile fills records with texts as a persona, a model, a tool, a platform or a
// configuration could say them, and checks that an output is safe from them. It is for tests:
// the table in starter/command/terminal_test.go has a row for each output.
//
//	var record records.Record
//	hostile.Fill(&record)
//	hostile.Terminal(t, recordText(record, now))
package hostile

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// word is in every text, so that a test can see that the output has the field at all.
const word = "zq7hostile"

// Text is the text of one field: escape sequences of terminals, a link, a title, marks of
// direction, other line ends, elements and attributes of HTML, Markdown, a formula, and lines
// that look like ones of the output itself.
func Text(field string) string {
	return "=1+1 " + word + " " + field +
		" \x1b[31mred\x1b[0m \x1b]8;;http://" + word + "/\x07link\x1b]8;;\x07 \x1b]0;title\x07 \u009b2J \x9b2J \b\x7f\x00 \xff" +
		" \u202egnp\u2066x\u2069\u200f \u2028\u2029 " +
		"<" + word + " onload=alert(1)> </script><script>" + word + "()</script> \"" + word + "=\"1\" '" + word + "='1' &lt;b&gt; ]]> --> " +
		"[x](http://" + word + "/) ![x](http://" + word + "/) `" + word + "` **" + word + "** | " + word + " | <http://" + word + "/> " +
		"\r\n✓ " + word + "\n# " + word + "\n\n- " + word + "\r" + word
}

// Fill sets every exported field of *v, to any depth, to a hostile text that names the field.
// Lists and maps get one element, numbers 1, times the present year; raw JSON is a valid document
// with hostile texts. Fields of types that decode themselves in another way stay as they are.
func Fill(v any) { fill(reflect.ValueOf(v).Elem(), "", 0) }

var (
	timeType    = reflect.TypeFor[time.Time]()
	rawJSONType = reflect.TypeFor[json.RawMessage]()
)

// deepest ends types that contain themselves.
const deepest = 8

func fill(v reflect.Value, path string, depth int) {
	if depth > deepest || !v.CanSet() {
		return
	}
	switch v.Type() {
	case timeType:
		v.Set(reflect.ValueOf(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)))
		return
	case rawJSONType:
		raw, _ := json.Marshal(map[string]string{strings.ToValidUTF8(Text(path+".key"), "?"): strings.ToValidUTF8(Text(path), "?")})
		v.Set(reflect.ValueOf(json.RawMessage(raw)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(Text(path))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), path, depth+1)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(Text(path)))
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), path+"[0]", depth+1)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, path+".key", depth+1)
		fill(value, path+".value", depth+1)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				fill(v.Field(i), strings.TrimPrefix(path+"."+f.Name, "."), depth+1)
			}
		}
	}
}

// said fails if the output has none of the texts: it would prove nothing.
func said(t testing.TB, out string) {
	t.Helper()
	require.Contains(t, out, word, "the output has no hostile text")
}

// printable fails if the text has what a terminal interprets, or what reorders it for its reader.
func printable(t testing.TB, out string) {
	t.Helper()
	require.True(t, utf8.ValidString(out), "not UTF-8: %q", out)
	for _, r := range out {
		bad := unicode.IsControl(r) && r != '\n' && r != '\t' || unicode.Is(unicode.Bidi_Control, r) && r != '\u2068' && r != '\u2069'
		require.False(t, bad, "%q in %q", r, out)
	}
}

// Terminal checks text for a terminal, or a log of lines: no field controls it, and none but a
// message, which is indented, begins a line.
func Terminal(t testing.TB, out string) {
	t.Helper()
	said(t, out)
	printable(t, out)
	for line := range strings.SplitSeq(out, "\n") {
		for _, forged := range []string{"✓ " + word, "# " + word, "- " + word, word} {
			require.False(t, strings.HasPrefix(line, forged), "a field begins a line: %q in %q", line, out)
		}
	}
}

// Verbatim checks an output for a terminal that is one text of another party, all of it.
func Verbatim(t testing.TB, out string) {
	t.Helper()
	said(t, out)
	printable(t, out)
}

// JSON checks documents: they decode, and a terminal shows them without harm.
func JSON(t testing.TB, out string) {
	t.Helper()
	said(t, out)
	printable(t, out)
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err, out)
	}
}

// Markdown checks Markdown: nothing in it is HTML, a link, code or a table cell of a field.
// Lines of the output's own may begin with anything.
func Markdown(t testing.TB, out string) {
	t.Helper()
	said(t, out)
	printable(t, out)
	for _, live := range []string{"<" + word, "<script", "](http://" + word, "`" + word, "**" + word, "<http", "&lt;b", "| " + word, "\n# " + word, "\n- " + word, "\n✓ " + word} {
		require.NotContains(t, out, live)
	}
}

// HTML checks a page or a part of one: no element, attribute, script or link comes of a field.
func HTML(t testing.TB, out string) {
	t.Helper()
	said(t, out)
	printable(t, out)
	for _, live := range []string{
		"<" + word, "</script><script>" + word, `"` + word + `="1"`, `'` + word + `='1'`, `href="http://` + word, `src="http://` + word, "href=http://" + word,
	} {
		require.NotContains(t, out, live)
	}
	require.NotContains(t, out, "&lt;b&gt; ", "a typed entity is shown as the character it stands for")
}

// XML checks an XML document, such as JUnit's: it can be read, and no element comes of a field.
func XML(t testing.TB, out string) {
	t.Helper()
	said(t, out)
	printable(t, out)
	for d := xml.NewDecoder(bytes.NewReader([]byte(out))); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err, out)
		if element, ok := token.(xml.StartElement); ok {
			require.NotEqual(t, word, element.Name.Local)
			require.NotEqual(t, "script", element.Name.Local)
		}
	}
}

// Cell checks one cell of a table for spreadsheets: it is no formula.
func Cell(t testing.TB, cell string) {
	t.Helper()
	said(t, cell)
	printable(t, cell)
	require.False(t, strings.ContainsAny(cell[:1], "=+-@\t\r"), "a formula: %q", cell)
}
