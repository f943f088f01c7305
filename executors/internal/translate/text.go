package translate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// ErrNothing is returned when an answer has no value at a path.
var ErrNothing = errors.New("nothing")

// TextAt returns the text at a required path. Its error completes the sentence "at
// this path is".
func TextAt(doc gjson.Result, path string) (string, error) {
	found := At(doc, path)
	if !found.Exists() {
		return "", ErrNothing
	}
	return Text(found)
}

// Text returns the text of a value: a string, a piece of type text, or a list of
// strings and objects with a text field, as in answers of models. Thoughts in it do not count. Its error names the type
// found instead.
func Text(v gjson.Result) (string, error) {
	switch {
	case v.Type == gjson.String:
		return v.Str, nil
	case v.Type == gjson.Null:
		return "", nil
	case v.IsArray():
		var b strings.Builder
		for _, item := range v.Array() {
			if item.IsObject() {
				if isThought(item) {
					continue
				}
				item = item.Get("text") // other pieces, such as tool calls, have no text
				if !item.Exists() {
					continue
				}
			}
			piece, err := Text(item)
			if err != nil {
				return "", err
			}
			b.WriteString(piece)
		}
		return b.String(), nil
	case v.IsObject() && v.Get("text").Type == gjson.String && strings.Contains(v.Get("type").Str, "text"):
		return v.Get("text").Str, nil
	case v.IsObject():
		return "", errors.New("an object, and no text")
	}
	return "", fmt.Errorf("a %s, and no text", strings.ToLower(v.Type.String()))
}

// isThought reports whether a piece is not meant for the reader.
func isThought(piece gjson.Result) bool {
	kind := strings.ToLower(piece.Get("type").String())
	return piece.Get("thought").Bool() || strings.Contains(kind, "think") || strings.Contains(kind, "reason") || strings.Contains(kind, "thought")
}
