package translate

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// ErrNothing is an answer that has nothing at a path.
var ErrNothing = errors.New("nothing")

// TextAt is the text at a path of an answer. It has to be there: the error goes
// on where "at this path is" ends.
func TextAt(doc gjson.Result, path string) (string, error) {
	found := At(doc, path)
	if !found.Exists() {
		return "", ErrNothing
	}
	return Text(found)
}

// Text is the text that a value stands for: itself, or the pieces of a list,
// each a text or an object with one, as models' answers have them. The error says
// what it is instead.
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
				item = item.Get("text") // other pieces, such as calls of tools, have none
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
	case v.IsObject():
		return "", errors.New("an object, and no text")
	}
	return "", fmt.Errorf("a %s, and no text", strings.ToLower(v.Type.String()))
}
