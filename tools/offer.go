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

// Offered is a tool as the model receives it, and its origin.
type Offered struct {
	// Tool has the name that the model calls it by.
	Tool conversation.Tool
	// Set and Name identify it in the registry.
	Set  string
	Name string
	// Ask means that a call waits for an operator's approval.
	Ask bool
	// Timeout bounds one attempt at a call.
	Timeout time.Duration
	// Repeatable means that a call whose result was lost may be made again: the tool is
	// declared repeatable, or the rules say so.
	Repeatable bool
	// Digest identifies the set's own name, the description and the schema of the tool:
	// it is the same in every process as long as these are.
	Digest string
}

// Offer returns the tools of the named sets for one agent: those that the rules
// allow, and of a set named as "set/tool" only that tool. Their names are valid for
// every model vendor and unique.
//
// The same tools have the same order and names in every call, in whatever order
// servers list them; names that two sets share get the set's name as a prefix.
//
// Lists are cached for a minute. A set that cannot be listed is an error of the
// fitting kind, unless its tools are known from the last ten minutes. Offer takes
// no longer than one listing may, which is 10 seconds.
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
		closed := e.rules.closes(lists[i])
		r.missed(e, wanted[e], usable)
		for _, tool := range usable {
			if only := wanted[e]; only != nil && !only[tool.Name] {
				continue
			}
			offered = append(offered, Offered{
				Tool: tool, Set: e.name, Name: tool.Name, Ask: e.rules.asks(tool.Name, closed),
				Timeout: e.rules.timeout(), Repeatable: e.rules.Retry.repeats(tool), Digest: digest(tool),
			})
		}
	}
	return rename(offered), nil
}

// lists lists all sets at once.
func (r *Registry) lists(ctx context.Context, entries []*entry, fresh bool) ([][]conversation.Tool, []error) {
	var (
		lists = make([][]conversation.Tool, len(entries))
		errs  = make([]error, len(entries))
		group sync.WaitGroup
	)
	for i, e := range entries {
		group.Go(func() { lists[i], errs[i] = r.list(ctx, e, fresh, listTimeout) })
	}
	group.Wait()
	return lists, errs
}

// failed joins the errors of several sets. Its kind is the first one that does not
// pass with time, if there is one.
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

// passes reports whether an error of the kind may pass with time.
func passes(k conversation.Kind) bool {
	return k == conversation.Unavailable || k == conversation.RateLimited
}

const (
	// maxName is the lowest limit of the vendors.
	maxName = 64
	// maxDescription and maxSchema bound what every request to a model carries,
	// whatever a server returns.
	maxDescription = 4 << 10
	maxSchema      = 32 << 10
	// maxTools bounds how many tools of a set are offered.
	maxTools = 128
)

// usable returns the tools that the rules allow and a model can call, and the
// faults of the others.
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

// fit sorts a listing and drops empty and repeated names.
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

// rename gives all tools valid and unique names.
func rename(offered []Offered) []Offered {
	name := func(o Offered) string { return fitName(o.Name) }
	for i := range offered {
		offered[i].Tool.Name = name(offered[i])
	}
	// A tool's name may equal the prefixed name of another. The last step makes
	// every name unique.
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
	return slices.DeleteFunc(offered, func(o Offered) bool { // only for forged names
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

// withHash ends a name with a hash that distinguishes it from equal names.
func withHash(name, of string) string {
	sum := sha256.Sum256([]byte(of))
	tail := "_" + hex.EncodeToString(sum[:4])
	return name[:min(len(name), maxName-len(tail))] + tail
}

// Bound cuts a result of more than limit bytes, or of more than twice as many in
// JSON, which histories record. The result states that it is cut.
func Bound(r Result, limit int) Result {
	r.Content = strings.ToValidUTF8(r.Content, "\uFFFD")
	// The shortest beginning that is too large.
	n := sort.Search(len(r.Content), func(n int) bool { return conversation.EscapedSize(r.Content[:n+1]) > 2*limit })
	if n < len(r.Content) {
		limit = min(limit, n)
	}
	r.Content = cut(r.Content, limit, fmt.Sprintf("\n[cut: this is the beginning of %d bytes]", len(r.Content)))
	return r
}

// cut shortens valid UTF-8 to at most limit bytes including the tail.
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
