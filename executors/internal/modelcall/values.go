package modelcall

// values takes JSON objects apart that stand one behind the other, or in a list.
type values struct {
	limit int

	list    int // open brackets around the objects
	depth   int // open brackets within the current object
	inText  bool
	escaped bool
	value   []byte
}

// empty reports whether nothing is open.
func (v *values) empty() bool { return v.depth == 0 && v.list == 0 }

// add reads a piece up to where nothing is open, and returns how much that is and the
// objects that it completes.
func (v *values) add(piece []byte) (n int, found [][]byte, err error) {
	for i, c := range piece {
		done, err := v.next(c)
		if err != nil {
			return i + 1, found, err
		}
		if done {
			found = append(found, v.value)
			v.value = nil
		}
		if v.empty() {
			return i + 1, found, nil
		}
	}
	return len(piece), found, nil
}

// next reads a byte, and reports whether it ends an object.
func (v *values) next(c byte) (bool, error) {
	if v.depth == 0 {
		switch c {
		case '{':
			v.depth, v.value = 1, []byte{c}
		case '[':
			v.list++
		case ']':
			v.list = max(v.list-1, 0)
		}
		return false, nil
	}
	if len(v.value) >= v.limit {
		return false, ErrTooLarge
	}
	v.value = append(v.value, c)
	switch {
	case v.escaped:
		v.escaped = false
	case v.inText:
		v.escaped = c == '\\'
		v.inText = c != '"'
	case c == '"':
		v.inText = true
	case c == '{', c == '[':
		v.depth++
	case c == '}', c == ']':
		v.depth--
	}
	return v.depth == 0, nil
}
