package http

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// textAt is the text at a path of an answer, which has to be there.
func textAt(doc gjson.Result, key, path string) (string, error) {
	found := at(doc, path)
	if !found.Exists() {
		return "", pathError(key, path, "nothing")
	}
	text, err := textOf(found)
	if err != nil {
		return "", pathError(key, path, err.Error())
	}
	return text, nil
}

// textOf is the text that a value stands for: itself, or the pieces of a list,
// each a text or an object with one, as models' answers have them.
func textOf(v gjson.Result) (string, error) {
	switch {
	case v.Type == gjson.String:
		return v.Str, nil
	case v.Type == gjson.Null:
		return "", nil
	case v.IsArray():
		var b strings.Builder
		for _, item := range v.Array() {
			if item.IsObject() {
				item = item.Get("text") // other pieces, such as calls of tools, have none
				if !item.Exists() {
					continue
				}
			}
			piece, err := textOf(item)
			if err != nil {
				return "", err
			}
			b.WriteString(piece)
		}
		return b.String(), nil
	case v.IsObject():
		return "", errors.New("an object, and no text")
	}
	return "", fmt.Errorf("a %s, and no text", strings.ToLower(v.Type.String()))
}
