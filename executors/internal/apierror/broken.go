package apierror

import "bytes"

// completed closes a JSON document that breaks off, and returns nil where that is not
// possible. A server may repeat the whole request in an error, which is then too long to
// be read to its end.
func completed(body []byte) []byte {
	var (
		open   []byte // closing brackets, the innermost last
		safe   = -1   // the end of the last complete member
		atSafe []byte
		inText bool
		key    bool // the text is the name of a member
		after  byte // the last byte that is not in a text
	)
	for i := 0; i < len(body); i++ {
		c := body[i]
		if inText {
			switch c {
			case '\\':
				i++
			case '"':
				inText = false
			}
			continue
		}
		switch c {
		case ' ', '\t', '\n', '\r':
			continue
		case '"':
			inText = true
			key = len(open) > 0 && open[len(open)-1] == '}' && (after == '{' || after == ',')
		case '{':
			open = append(open, '}')
		case '[':
			open = append(open, ']')
		case '}', ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return nil
			}
			open = open[:len(open)-1]
			safe, atSafe = i+1, append(atSafe[:0], open...)
		case ',':
			safe, atSafe = i, append(atSafe[:0], open...)
		}
		after = c
		if len(open) > 64 {
			return nil
		}
	}
	if inText && !key && len(open) > 0 {
		return closed(append(withoutEscape(body), '"'), open)
	}
	if safe < 0 {
		return nil
	}
	return closed(bytes.Clone(body[:safe]), atSafe)
}

func closed(body, open []byte) []byte {
	for i := len(open) - 1; i >= 0; i-- {
		body = append(body, open[i])
	}
	return body
}

// withoutEscape removes the beginning of an escape at the end, and of a character.
func withoutEscape(body []byte) []byte {
	body = bytes.Clone(body[:len(body)-partial(body)])
	if at := bytes.LastIndexByte(body[max(0, len(body)-6):], '\\'); at >= 0 {
		body = body[:max(0, len(body)-6)+at]
		for len(body) > 0 && body[len(body)-1] == '\\' { // a pair
			body = body[:len(body)-1]
		}
	}
	return body
}
