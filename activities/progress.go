package activities

import (
	"cmp"
	"errors"
)

// ask notes that the executor is about to be asked. What an earlier attempt left is
// kept if it is this one's: the token of a run at one provider says nothing to
// another. Repeats means that an earlier run of unknown end cannot be
// attached to: the answer may be paid for twice. Where that must not be, it is an error, and
// nothing changes.
func (p *ReplyProgress) ask(name string, once bool) (repeats bool, err error) {
	another := p.Executor != "" && p.Executor != name
	attaches := p.Attach != nil && !another
	if p.Asked && !attaches && (p.Once || once && !another) {
		return false, notAgain(cmp.Or(p.Executor, name), errors.New("an earlier attempt was lost"))
	}
	repeats = !attaches && (p.Asked || p.Attach != nil)
	if !attaches {
		// A token without a name stays without: it is not known whose it is.
		p.Executor, p.Attach = name, nil
	}
	p.Asked, p.Once = true, once
	return repeats, nil
}
