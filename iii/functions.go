package iii

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
)

// A ListedFunction is a function that the engine or one of its workers serves.
type ListedFunction struct {
	ID string `json:"function_id"`
	// Namespace is empty on engines before 0.23, which have no namespaces.
	Namespace string `json:"namespace"`
	// Metadata that the function was registered with. Nil if there is none.
	Metadata json.RawMessage `json:"metadata"`
}

// In reports whether a call in this namespace reaches the function. Empty means
// "default", as it does on the wire.
func (f ListedFunction) In(namespace string) bool {
	return f.Namespace == "" || f.Namespace == cmp.Or(namespace, "default")
}

// Functions lists the functions of the engine that this worker may see, the engine's
// own included. With [CodeForbidden], access rules hide the list; they may also hide
// single functions. [ErrUnsupported]: the answer has no list, so that the peer may be
// no iii engine.
func (w *Worker) Functions(ctx context.Context) ([]ListedFunction, error) {
	result, err := w.Invoke(ctx, "engine::functions::list", map[string]bool{"include_internal": true})
	if err != nil {
		return nil, err
	}
	var list struct {
		Functions []ListedFunction `json:"functions"`
	}
	if err := json.Unmarshal(result, &list); err != nil {
		return nil, fmt.Errorf("iii: engine::functions::list: %w: %w", ErrUnsupported, err)
	}
	if list.Functions == nil {
		return nil, fmt.Errorf("iii: engine::functions::list: the answer has no list: %w", ErrUnsupported)
	}
	return list.Functions, nil
}
