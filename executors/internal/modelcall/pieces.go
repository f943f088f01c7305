package modelcall

import "cmp"

// A Piece is a part of a tool call in a stream. Every field may be missing.
type Piece struct {
	Index               *int64
	ID, Name, Arguments string
}

// pieces finds the calls that pieces belong to: the newest with an id or an index.
type pieces struct {
	byID    map[string]*Call
	byIndex map[int64]*Call
}

// AddCall adds a piece to the call it belongs to, or begins another call:
//
//   - a piece without a name continues the call with its id or index, or else the last;
//
//   - a name together with another id or index begins a call;
//
//   - a name after complete arguments begins a call, whatever the id and the index are;
//
//   - a name that repeats the call's while the arguments are not complete begins none.
//
//   - a whole call that comes again under its id and index is the same call.
//
// Thus a server may leave ids and indexes out, give all calls the index 0, use an id
// twice, repeat the name, or make up an id for every piece.
func (a *Answer) AddCall(p Piece) *Call {
	c := a.belongs(p)
	switch {
	case c == nil:
		c = a.Call(p.ID, p.Name)
	case p.Name != "" && p.Name != c.Name:
		c.Name += p.Name // the name comes in pieces, or late
	}
	c.ID = cmp.Or(c.ID, p.ID)
	if !a.repeats(c, p) {
		c.Write(p.Arguments)
	}
	if a.pieces.byID == nil {
		a.pieces = pieces{map[string]*Call{}, map[int64]*Call{}}
	}
	if p.ID != "" && p.ID == c.ID {
		a.pieces.byID[p.ID] = c
	}
	if p.Index != nil {
		a.pieces.byIndex[*p.Index] = c
	}
	return c
}

// belongs returns the call that the piece continues. Nil: it begins one.
func (a *Answer) belongs(p Piece) *Call {
	if len(a.Calls) == 0 {
		return nil
	}
	var c *Call
	if p.ID != "" {
		c = a.pieces.byID[p.ID]
	}
	if c == nil && p.Index != nil {
		c = a.pieces.byIndex[*p.Index]
	}
	last := a.Calls[len(a.Calls)-1]
	if p.Name == "" {
		return continues(c, last, p)
	}
	if c == nil {
		if p.ID != "" || p.Index != nil {
			return nil
		}
		c = last
	}
	if a.again(c, p) {
		return c
	}
	return nil
}

// continues returns the call that a piece without a name continues.
func continues(c, last *Call, p Piece) *Call {
	switch {
	case c == nil && p.ID != "" && (p.Index != nil || last.Whole()):
		return nil // its name follows
	case c == nil:
		return last
	case p.ID != "" && c.ID != "" && p.ID != c.ID && c.Whole() && p.Arguments != "":
		return nil
	}
	return c
}

// again reports whether a piece with a name continues the call.
func (a *Answer) again(c *Call, p Piece) bool {
	other := p.ID != "" && c.ID != "" && p.ID != c.ID
	switch {
	case c.Name == "":
		return !other
	case c.Whole():
		return a.repeats(c, p) || !other && p.Name == c.Name && p.Arguments == "" && (p.ID != "" || p.Index != nil)
	case p.Name != c.Name:
		return !other && c.Empty() && a.joins(c.Name, p.Name)
	case c.Empty():
		return !other && (p.ID != "" || p.Index != nil)
	}
	return true
}

// repeats reports whether the piece is the whole call once more.
func (a *Answer) repeats(c *Call, p Piece) bool {
	return p.ID != "" && p.Index != nil && p.ID == c.ID && a.pieces.byIndex[*p.Index] == c && p.Name == c.Name &&
		c.Whole() && p.Arguments == c.arguments.String()
}

// joins reports whether two names are the pieces of one.
func (a *Answer) joins(name, more string) bool {
	return a.Offered != nil && !a.Offered(name) && a.Offered(name+more)
}
