package chat

import (
	"bytes"
	"unicode/utf8"
)

// A key is a command to the editor.
type key int

const (
	keyIgnored key = iota
	keyText
	keyEnter
	keyInterrupt
	keyEndOfFile
	keyLeft
	keyRight
	keyUp
	keyDown
	keyHome
	keyEnd
	keyWordLeft
	keyWordRight
	keyBackspace
	keyDelete
	keyDeleteWordLeft
	keyDeleteWordRight
	keyDeleteToStart
	keyDeleteToEnd
	keyTranspose
	keyClear
	keyPasteStart
	keyPasteEnd
)

const escape = 0x1b

var controls = map[byte]key{
	'\r': keyEnter, '\n': keyEnter, ctrlC: keyInterrupt, ctrlD: keyEndOfFile,
	1: keyHome, 2: keyLeft, 5: keyEnd, 6: keyRight, 8: keyBackspace, 11: keyDeleteToEnd, 12: keyClear,
	14: keyDown, 16: keyUp, 20: keyTranspose, 21: keyDeleteToStart, 23: keyDeleteWordLeft, 0x7f: keyBackspace,
}

// escaped is the part of a sequence after the escape character.
var escaped = map[string]key{
	"[A": keyUp, "[B": keyDown, "[C": keyRight, "[D": keyLeft, "[H": keyHome, "[F": keyEnd,
	"OA": keyUp, "OB": keyDown, "OC": keyRight, "OD": keyLeft, "OH": keyHome, "OF": keyEnd,
	"[1~": keyHome, "[7~": keyHome, "[4~": keyEnd, "[8~": keyEnd, "[3~": keyDelete,
	"[1;3C": keyWordRight, "[1;3D": keyWordLeft, "[1;5C": keyWordRight, "[1;5D": keyWordLeft,
	"f": keyWordRight, "b": keyWordLeft, "d": keyDeleteWordRight, "\x7f": keyDeleteWordLeft, "\b": keyDeleteWordLeft,
	"[200~": keyPasteStart,
}

// nextKey returns the key that bytes begin with and its length: zero if more bytes are
// needed. A run of text is one key.
func nextKey(b []byte, pasting bool) (key, int) {
	switch {
	case len(b) == 0:
		return keyIgnored, 0
	case pasting && b[0] == escape:
		switch {
		case bytes.HasPrefix(b, pasteEnd):
			return keyPasteEnd, len(pasteEnd)
		case bytes.HasPrefix(pasteEnd, b):
			return keyIgnored, 0
		}
		return keyText, 1
	case pasting && (b[0] == '\r' || b[0] == '\n'):
		return keyEnter, 1
	case b[0] == escape:
		n := escapeLength(b)
		if n < 2 {
			return keyIgnored, n
		}
		return escaped[string(b[1:n])], n
	case !pasting && isControl(b[0]):
		return controls[b[0]], 1
	}
	n := 0
	for n < len(b) && b[n] != '\r' && b[n] != '\n' && b[n] != escape && (pasting || !isControl(b[n])) && utf8.FullRune(b[n:]) {
		_, size := utf8.DecodeRune(b[n:])
		n += size
	}
	return keyText, n
}

func isControl(b byte) bool { return b < ' ' || b == 0x7f }

// escapeLength is the length of an escape sequence: zero if more bytes are needed, one
// for a lone escape.
func escapeLength(b []byte) int {
	if len(b) == 1 {
		return 0
	}
	switch c := b[1]; {
	case c == '\b':
		return 2
	case c < ' ': // the escape key alone
		return 1
	case c == 'O':
		if len(b) < 3 {
			return 0
		}
		if isControl(b[2]) {
			return 2
		}
		return 3
	case c == '[':
		for i := 2; i < len(b); i++ {
			switch {
			case b[i] < ' ':
				return i
			case b[i] >= '@' && (i > 2 || b[i] != '['): // Linux sends keys as "[[A"
				return i + 1
			}
		}
		return 0
	}
	if !utf8.FullRune(b[1:]) {
		return 0
	}
	_, size := utf8.DecodeRune(b[1:])
	return 1 + size
}
