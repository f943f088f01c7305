package platforms

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-run/parley/conversation"
)

// A Shape is a platform as the one of the three interfaces that it implements: exactly
// one field is not nil.
type Shape struct {
	Conversations Conversations
	Tasks         Tasks
	Transport     Transport
}

// ShapeOf says which of [Conversations], [Tasks] and [Transport] a platform is. An error
// means that it is none of them, or more than one, and names the methods.
//
// Of a platform that is wrapped, the outermost layer that has any method of the three
// decides: a wrapper that changes one method of its shape implements the whole shape, and
// one that changes none leaves the shape to what it wraps.
func ShapeOf(p Platform) (Shape, error) {
	for layer := p; layer != nil; layer = unwrap(layer) {
		if has := shapeMethods(layer); len(has) > 0 {
			return shapeOf(layer, has)
		}
	}
	if p == nil {
		return Shape{}, errors.New("platforms: there is no platform: it is nil")
	}
	return Shape{}, fmt.Errorf("platforms: %T is none of Conversations, Tasks and Transport: implement exactly one of them", p)
}

func shapeOf(layer Platform, has []string) (Shape, error) {
	conversations, isConversations := layer.(Conversations)
	tasks, isTasks := layer.(Tasks)
	transport, isTransport := layer.(Transport)
	switch n := len(has); {
	case isConversations && n == 5:
		return Shape{Conversations: conversations}, nil
	case isTasks && n == 5:
		return Shape{Tasks: tasks}, nil
	case isTransport && n == 1:
		return Shape{Transport: transport}, nil
	}
	return Shape{}, fmt.Errorf("platforms: %T has the methods %s, which fit none of Conversations, Tasks and Transport alone: "+
		"implement exactly one of them, whole, and no method of the others", layer, strings.Join(has, ", "))
}

// shapeMethods are the methods of p by which the three differ.
func shapeMethods(p Platform) []string {
	type ref = conversation.Ref
	all := map[string]bool{}
	_, all["Claim"] = p.(interface {
		Claim(context.Context, ref) error
	})
	_, all["Claim (of a task)"] = p.(interface {
		Claim(context.Context, ref, Claim) (Receipt, error)
	})
	_, all["FindClaim"] = p.(interface {
		FindClaim(context.Context, ref, Claim) (Receipt, error)
	})
	_, all["Context"] = p.(interface {
		Context(context.Context, ref) (conversation.Context, error)
	})
	_, all["Transcript"] = p.(interface {
		Transcript(context.Context, ref) (Transcript, error)
	})
	_, all["Send"] = p.(interface {
		Send(context.Context, ref, Send) (Reply, error)
	})
	_, all["End"] = p.(interface {
		End(context.Context, ref) error
	})
	_, all["Cancelled"] = p.(interface {
		Cancelled(context.Context, ref, Receipt) (bool, error)
	})
	_, all["Report"] = p.(interface {
		Report(context.Context, ref, Report) error
	})
	var has []string
	for name, ok := range all {
		if ok {
			has = append(has, name)
		}
	}
	slices.Sort(has)
	return has
}
