package ui

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/parley-run/parley/internal/records"
)

// marker is the file by which Bundle recognises a directory that it wrote.
const marker = ".parley-pages"

// bundlePolicy is the policy of pages that are files.
const bundlePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'"

// A Bundle is a set of pages as files, which need no server and no network.
type Bundle struct {
	// Dir is where they are written. It must be empty, or absent, or written by a Bundle
	// before: what that wrote is replaced.
	Dir string
	// Read calls use with each conversation, the newest first.
	Read func(ctx context.Context, use func(records.Record) error) error
	// Where names the Temporal server, for readers.
	Where string
}

// Write writes the pages, and returns the number of conversations and the file of the first
// page.
func (b Bundle) Write(ctx context.Context) (n int, first string, err error) {
	root, err := b.open()
	if err != nil {
		return 0, "", err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	w := &bundleWriter{root: root, held: held{records: make(map[string]records.Record)}}
	w.held.library = newLibrary(&w.held)
	below := w.site("../", b.Where)
	err = b.Read(ctx, func(r records.Record) error {
		w.held.snapshot.Conversations = append(w.held.snapshot.Conversations, r.Conversation)
		w.held.library.add(r)
		if waits(&r.Conversation) {
			w.held.records[r.ID] = r
		}
		v, err := below.recordView(&r, "")
		return w.page(path.Join("conversations", keyOf(r.ID)+".html"), v, err)
	})
	if err != nil {
		return 0, "", err
	}
	w.held.snapshot.At = time.Now()
	return len(w.held.snapshot.Conversations), filepath.Join(b.Dir, "index.html"), w.others(ctx, w.site("", b.Where), below)
}

// open makes the directory, and clears it of what was written before.
func (b Bundle) open() (*os.Root, error) {
	if err := os.MkdirAll(b.Dir, 0o755); err != nil { //nolint:gosec // pages to share
		return nil, fmt.Errorf("bundle: %w", err)
	}
	root, err := os.OpenRoot(b.Dir)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	if err == nil && len(entries) > 0 {
		if _, absent := root.Lstat(marker); absent != nil {
			err = fmt.Errorf("%s has other files: give an empty directory, or one of an earlier bundle", b.Dir)
		}
	}
	for _, name := range []string{"conversations", "runs", "static", "index.html", "waiting.html", "runs.html", "compare.html"} {
		if err == nil {
			err = root.RemoveAll(name)
		}
	}
	for _, name := range []string{"conversations", "runs", "static"} {
		if err == nil {
			err = root.Mkdir(name, 0o755)
		}
	}
	if err == nil {
		err = root.WriteFile(marker, []byte("Pages of starter ui --bundle, which replaces them.\n"), 0o644)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bundle: %w", err), root.Close())
	}
	return root, nil
}

type bundleWriter struct {
	root *os.Root
	held held
}

// site renders pages for files at one depth.
func (w *bundleWriter) site(root, where string) *site {
	return &site{links: links{root: root, files: true}, source: &w.held, where: where, library: w.held.library}
}

func (w *bundleWriter) page(name string, v *view, err error) error {
	if err != nil {
		return fmt.Errorf("bundle: %s: %w", name, err)
	}
	v.Policy = bundlePolicy
	body, err := v.render()
	if err == nil {
		err = w.root.WriteFile(name, body, 0o644)
	}
	if err != nil {
		return fmt.Errorf("bundle: %s: %w", name, err)
	}
	return nil
}

// others writes the pages of many conversations, and the files that all pages need.
func (w *bundleWriter) others(ctx context.Context, top, below *site) error {
	v, err := top.list(parseQuery(url.Values{}))
	errs := []error{w.page("index.html", v, err)}
	v, err = top.waiting(ctx)
	errs = append(errs, w.page("waiting.html", v, err))
	v, err = top.runs()
	errs = append(errs, w.page("runs.html", v, err))
	v, err = top.compare("", "")
	errs = append(errs, w.page("compare.html", v, err))
	written := make(map[runKey]bool)
	for i := range w.held.snapshot.Conversations {
		c := &w.held.snapshot.Conversations[i]
		for _, k := range []runKey{{"simulation", c.Simulation}, {"agent", c.Agent}} {
			if k.ID == "" || written[k] || len(written) >= maxRuns {
				continue
			}
			written[k] = true
			v, err := below.run(k)
			errs = append(errs, w.page(path.Join("runs", keyOf(k.Kind, k.ID)+".html"), v, err))
		}
	}
	static, err := fs.ReadDir(staticFiles, "static")
	errs = append(errs, err)
	for _, f := range static {
		data, err := staticFiles.ReadFile(path.Join("static", f.Name()))
		if err == nil {
			err = w.root.WriteFile(path.Join("static", f.Name()), data, 0o644)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// held is a source of what has been read, once.
type held struct {
	snapshot records.Snapshot
	records  map[string]records.Record // those that wait for a person
	library  *library
}

func (h *held) Snapshot() records.Snapshot { return h.snapshot }

func (h *held) Changed() <-chan struct{} { return nil }

func (h *held) Record(_ context.Context, id string) (records.Record, error) {
	r, ok := h.records[id]
	if !ok {
		return r, records.Faultf(records.NotFound, nil, "%q is not in the bundle", id)
	}
	return r, nil
}
