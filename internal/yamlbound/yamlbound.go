// Package yamlbound keeps a YAML file from taking more memory and time than a
// configuration needs: a few lines of aliases and merge keys can stand for billions
// of entries.
package yamlbound

import (
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"
)

// The bounds. A configuration with a thousand agents stays far below each.
const (
	MaxBytes = 1 << 20
	MaxNodes = 100_000 // values, with every alias written out
	MaxDepth = 100     // lists and mappings in one another
)

// ErrTooLarge: a file has more than MaxBytes.
var ErrTooLarge = fmt.Errorf("is larger than %d KiB, which is too much for a configuration", MaxBytes>>10)

// ReadFile is os.ReadFile for files of up to MaxBytes. It does not read on in one
// that has no end.
func ReadFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	data, err := io.ReadAll(io.LimitReader(file, MaxBytes+1))
	if err == nil && len(data) > MaxBytes {
		err = &os.PathError{Op: "read", Path: path, Err: ErrTooLarge}
	}
	return data, err
}

// An Error is a bound that is passed, with the node where.
type Error struct {
	Node *yaml.Node
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Check reports the first bound that a document passes, or an alias that contains
// itself. It takes time in proportion to the text. What passes can be walked with
// aliases followed.
func Check(root *yaml.Node) error {
	c := checker{sizes: map[*yaml.Node]size{}}
	_, err := c.measure(root, 0)
	return err
}

// A size is that of a node with all aliases below it written out.
type size struct {
	nodes, depth int
	open         bool // still being measured
}

type checker struct{ sizes map[*yaml.Node]size }

var errCycle = errors.New("contains itself, by an alias")

func (c checker) measure(node *yaml.Node, above int) (size, error) {
	fault := func(err error) (size, error) { return size{}, &Error{node, err} }
	known, seen := c.sizes[node]
	if known.open {
		return fault(errCycle)
	}
	if !seen {
		if above > MaxDepth {
			return fault(fmt.Errorf("is more than %d levels deep", MaxDepth))
		}
		c.sizes[node] = size{open: true}
		below := node.Content
		if node.Kind == yaml.AliasNode {
			below = []*yaml.Node{node.Alias}
		}
		known = size{nodes: 1, depth: 1}
		for _, child := range below {
			s, err := c.measure(child, above+1)
			if err != nil {
				return size{}, err
			}
			known.nodes += s.nodes
			known.depth = max(known.depth, s.depth+1)
			if known.nodes > MaxNodes {
				return fault(fmt.Errorf("stands for more than %d values, once aliases are written out", MaxNodes))
			}
		}
		c.sizes[node] = known
	}
	if above+known.depth > MaxDepth+2 {
		return fault(fmt.Errorf("is more than %d levels deep, once aliases are written out", MaxDepth))
	}
	return known, nil
}
