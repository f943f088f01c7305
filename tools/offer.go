package tools

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/parley-run/parley/conversation"
	"github.com/parley-run/parley/internal/printable"
)

// Offered is a tool as a model is told of it, and where it comes from.
type Offered struct {
	// Tool has the name that the model calls it by.
	Tool conversation.Tool
	// Set and Name are what to call it by here.
	Set  string
	Name string
	// Ask means that a call waits for a person's approval.
	Ask bool
	// Timeout bounds one attempt at a call.
	Timeout time.Duration
}

// Offer returns the tools of the sets named, for one agent: those that the rules
// allow, and of a set that is named as "set/tool" only the tools so named, under names that every model vendor takes and that are all different.
// The same tools come out in the same order and under the same names, whatever
// order the servers list them in; the names of tools that two sets have in common
// begin with the set's.
//
// Tools are remembered for a minute. A set that cannot be asked is an error with
// the kind that fits, unless its tools are known from a few minutes ago. Offer
// takes no longer than one listing may, which is 10 seconds.
func (r *Registry) Offer(ctx context.Context, sets []string) ([]Offered, error) {
	var entries []*entry
	wanted := make(map[*entry]map[string]bool) // nil: all
	for _, name := range sets {
		set, tool, one := strings.Cut(name, "/")
		e, err := r.get("tools: offer", set)
		if err != nil {
			return nil, err
		}
		only, known := wanted[e]
		if !known {
			entries = append(entries, e)
		}
		switch {
		case !one:
			wanted[e] = nil
		case !known:
			wanted[e] = map[string]bool{tool: true}
		case only != nil:
			only[tool] = true
		}
	}
	lists, errs := r.lists(ctx, entries, false)
	if err := failed(entries, errs); err != nil {
		return nil, err
	}
	var offered []Offered
	for i, e := range entries {
		usable, _ := e.usable(lists[i])
		for _, tool := range usable {
			if only := wanted[e]; only != nil && !only[tool.Name] {
				continue
			}
			offered = append(offered, Offered{
				Tool: tool, Set: e.name, Name: tool.Name, Ask: e.rules.Asks(tool.Name), Timeout: e.rules.timeout(),
			})
		}
	}
	return rename(offered), nil
}

// lists asks all sets at once.
func (r *Registry) lists(ctx context.Context, entries []*entry, fresh bool) ([][]conversation.Tool, []error) {
	var (
		lists = make([][]conversation.Tool, len(entries))
		errs  = make([]error, len(entries))
		group sync.WaitGroup
	)
	for i, e := range entries {
		group.Go(func() { lists[i], errs[i] = r.list(ctx, e, fresh) })
	}
	group.Wait()
	return lists, errs
}

// failed makes one error of those of several sets. Its kind is that of the first
// which waiting does not mend, if there is one.
func failed(entries []*entry, errs []error) error {
	var out *conversation.Error
	for i, err := range errs {
		if err == nil {
			continue
		}
		e := &conversation.Error{Kind: conversation.KindOf(err), Op: fmt.Sprintf("tools: list %q", entries[i].name), Err: err}
		if said := (*conversation.Error)(nil); errors.As(err, &said) {
			e.RetryAfter = said.RetryAfter
		}
		if out == nil || passes(out.Kind) && !passes(e.Kind) {
			out = e
		}
	}
	if out == nil {
		return nil
	}
	return out
}

// passes reports whether an error of the kind may be gone later.
func passes(k conversation.Kind) bool {
	return k == conversation.Unavailable || k == conversation.RateLimited
}

const (
	// maxName is the shortest limit of the vendors.
	maxName = 64
	// maxDescription and maxSchema bound what every single request to a model
	// carries along, whatever a server says of itself.
	maxDescription = 4 << 10
	maxSchema      = 32 << 10
	// maxTools bounds the tools of a set that are offered.
	maxTools = 128
)

// usable are the tools that the rules allow and that a model can be told of, and
// what is odd about the others.
func (e *entry) usable(listed []conversation.Tool) ([]conversation.Tool, []string) {
	var (
		tools []conversation.Tool
		odd   []string
	)
	for _, t := range listed {
		switch {
		case !e.rules.Allows(t.Name):
		case !printable.IsName(t.Name, printable.MaxName):
			odd = append(odd, fmt.Sprintf("%q is left out: its name cannot be shown, or has more than %d bytes", printable.Clip(t.Name, maxName), printable.MaxName))
		case len(t.Schema) > maxSchema:
			odd = append(odd, fmt.Sprintf("%q is left out: its schema has %d bytes, more than %d", t.Name, len(t.Schema), maxSchema))
		default:
			tools = append(tools, t)
		}
	}
	if n := len(tools); n > maxTools {
		tools = tools[:maxTools:maxTools]
		odd = append(odd, fmt.Sprintf("only the first %d of its %d tools are offered: choose with allow", maxTools, n))
	}
	return tools, odd
}

// fit puts a listing in order, without names that are empty or come twice.
func fit(listed []conversation.Tool) []conversation.Tool {
	tools := make([]conversation.Tool, 0, len(listed))
	for _, t := range listed {
		if t.Name == "" {
			continue
		}
		t.Description = cut(printable.Text(t.Description), maxDescription, printable.Cut)
		tools = append(tools, t)
	}
	slices.SortStableFunc(tools, func(a, b conversation.Tool) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(tools, func(a, b conversation.Tool) bool { return a.Name == b.Name })
}

// rename gives all tools names that are fit and different.
func rename(offered []Offered) []Offered {
	name := func(o Offered) string { return fitName(o.Name) }
	for i := range offered {
		offered[i].Tool.Name = name(offered[i])
	}
	// A set's own name is no secret of another's: a tool may be named like one
	// that has been prefixed. The last step always tells two apart.
	prefixed := func(o Offered) string { return fitName(o.Set + "_" + o.Name) }
	hashed := func(o Offered) string { return withHash(prefixed(o), o.Set+"\x00"+o.Name) }
	for _, tell := range []func(Offered) string{prefixed, hashed} {
		count := make(map[string]int, len(offered))
		for _, o := range offered {
			count[o.Tool.Name]++
		}
		for i, o := range offered {
			if count[o.Tool.Name] > 1 {
				offered[i].Tool.Name = tell(o)
			}
		}
	}
	seen := make(map[string]bool, len(offered))
	return slices.DeleteFunc(offered, func(o Offered) bool { // forged names only
		had := seen[o.Tool.Name]
		seen[o.Tool.Name] = true
		return had
	})
}

// fitName keeps letters, digits, "_" and "-", at most 64 of them.
func fitName(name string) string {
	fits := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-':
			return r
		}
		return '_'
	}, name)
	if len(fits) > maxName {
		return withHash(fits, name)
	}
	return fits
}

// withHash ends a name in what tells it from those that would else be the same.
func withHash(name, of string) string {
	sum := sha256.Sum256([]byte(of))
	tail := "_" + hex.EncodeToString(sum[:4])
	return name[:min(len(name), maxName-len(tail))] + tail
}

// Bound cuts a result that has more than limit bytes, or takes more than twice as
// many as JSON, which is how it is recorded, and says so in it.
func Bound(r Result, limit int) Result {
	r.Content = strings.ToValidUTF8(r.Content, "\uFFFD")
	// The shortest beginning that takes too much.
	n := sort.Search(len(r.Content), func(n int) bool { return conversation.EscapedSize(r.Content[:n+1]) > 2*limit })
	if n < len(r.Content) {
		limit = min(limit, n)
	}
	r.Content = cut(r.Content, limit, fmt.Sprintf("\n[cut: this is the beginning of %d bytes]", len(r.Content)))
	return r
}

// cut shortens valid UTF-8 to at most limit bytes, the tail that says so included.
func cut(s string, limit int, tail string) string {
	if len(s) <= limit {
		return s
	}
	if limit < len(tail) {
		tail = ""
	}
	n := max(limit, 0) - len(tail)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + tail
}
