package repocheck_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// ownClients are the files that may make a client of net/http by themselves.
var ownClients = map[string]string{
	"internal/httpclient/client.go":               "it is the constructor",
	"iii/options.go":                              "package iii depends on nothing else here; its client makes one WebSocket handshake and follows no redirect",
	"internal/iiitest/engine.go":                  "a stand-in for tests",
	"internal/iiitest/http_function.go":           "a stand-in for tests",
	"executors/internal/modeltest/connections.go": "helps tests",
	"executors/internal/modeltest/vendor.go":      "helps tests",
}

// clientsOfTheirOwn are the names of net/http that make or share a client.
var clientsOfTheirOwn = []string{"Client", "Transport", "DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"}

// Every client comes from package httpclient: what it promises stands nowhere else.
func TestOneHTTPClient(t *testing.T) {
	t.Parallel()
	used := map[string]bool{}
	require.NoError(t, filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		if entry.IsDir() {
			// Modules of their own cannot import what is internal here.
			if slices.Contains([]string{".git", "devserver", "composetest", "conformance", "linters", "examples", "testdata", "node_modules"}, entry.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		faults, err := httpClients(path, nil)
		if err != nil {
			return err
		}
		if _, ok := ownClients[name]; ok {
			used[name] = len(faults) > 0
			return nil
		}
		for _, fault := range faults {
			t.Errorf("%s:%s: make the client with package internal/httpclient", name, fault)
		}
		return nil
	}))
	for name := range ownClients {
		require.True(t, used[name], "%s makes no client any more: take it off the list", name)
	}
}

// httpClients finds where a file makes a client by itself, as "line: http.Client{}".
func httpClients(path string, source any) ([]string, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	name := ""
	for _, i := range file.Imports {
		if i.Path.Value != `"net/http"` {
			continue
		}
		if name = "http"; i.Name != nil {
			name = i.Name.Name
		}
	}
	if name == "" {
		return nil, nil
	}
	var faults []string
	report := func(n ast.Node, what string) {
		faults = append(faults, fmt.Sprintf("%d: %s", files.Position(n.Pos()).Line, what))
	}
	of := func(e ast.Expr) string {
		s, ok := e.(*ast.SelectorExpr)
		if !ok {
			return ""
		}
		if x, ok := s.X.(*ast.Ident); !ok || x.Name != name || !slices.Contains(clientsOfTheirOwn, s.Sel.Name) {
			return ""
		}
		return s.Sel.Name
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			if what := of(n.Type); what != "" {
				report(n, "http."+what+"{}")
			}
		case *ast.CallExpr:
			if what := of(n.Fun); what != "" {
				report(n, "http."+what+"()")
			}
			if f, ok := n.Fun.(*ast.Ident); ok && f.Name == "new" && len(n.Args) == 1 && of(n.Args[0]) != "" {
				report(n, "new(http."+of(n.Args[0])+")")
			}
		case *ast.ValueSpec:
			if what := of(n.Type); what != "" {
				report(n, "var http."+what)
			}
		case *ast.SelectorExpr:
			if what := of(n); strings.HasPrefix(what, "Default") {
				report(n, "http."+what)
			}
		}
		return true
	})
	return faults, nil
}

func TestHTTPClients(t *testing.T) {
	t.Parallel()
	for code, found := range map[string]bool{
		`var _ = &http.Client{}`:                                        true,
		`var _ = new(http.Client)`:                                      true,
		`var c http.Client`:                                             true,
		`var _ = http.Transport{MaxIdleConns: 1}`:                       true,
		`var _ = http.DefaultTransport.(*http.Transport).Clone()`:       true,
		`func f() { _, _ = http.DefaultClient.Do(nil) }`:                true,
		`func f() { _, _ = http.Get("http://localhost") }`:              true,
		`func f() { _, _ = http.Post("http://localhost", "x/y", nil) }`: true,
		`func f(c *http.Client) { _, _ = c.Get("http://localhost") }`:   false,
		`type s struct { c *http.Client }`:                              false,
		`func f(h http.Header) string { return h.Get("Date") }`:         false,
	} {
		faults, err := httpClients("x.go", "package x\nimport \"net/http\"\n"+code)
		require.NoError(t, err)
		require.Equal(t, found, len(faults) > 0, code)
	}
	faults, err := httpClients("x.go", "package x\nimport web \"net/http\"\nvar _ = &web.Client{}")
	require.NoError(t, err)
	require.Equal(t, []string{"3: http.Client{}"}, faults)
}
