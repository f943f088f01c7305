package repocheck_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// placed are packages that a fixed layout keeps importable, though they are not for
// other programs.
var placed = []string{"activities", "workflows", "worker/command", "starter/command", "simulator/command"}

// listed finds the packages in the table of docs/embedding.md.
var listed = regexp.MustCompile("(?m)^\\| `(parley|[a-z0-9/]+)` \\|")

// The document lists every package that another module can import, and no other.
func TestPublicPackagesAreListed(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs", "embedding.md"))
	require.NoError(t, err)
	var want []string
	for _, m := range listed.FindAllStringSubmatch(string(text), -1) {
		want = append(want, m[1])
	}
	var got []string
	for _, p := range surface(t) {
		if name := shortName(p.Path()); !slices.Contains(placed, name) {
			got = append(got, name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	require.Equal(t, want, got)
}

// What a public package exports can be named by its users: no exported type has to do
// with a type of an internal package. The packages whose place is fixed keep to it too.
func TestPublicPackagesExposeNothingInternal(t *testing.T) {
	t.Parallel()
	for _, p := range surface(t) {
		for _, fault := range exposed(p) {
			t.Errorf("%s: %s", shortName(p.Path()), fault)
		}
	}
}

func shortName(path string) string {
	if path == module {
		return "parley"
	}
	return strings.TrimPrefix(path, module+"/")
}

// surface loads the packages of the module that another module can import and that
// export something.
func surface(t *testing.T) []*types.Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Name,Export", "./...")
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	exports := map[string]string{}
	var paths []string
	for decoder := json.NewDecoder(out); ; {
		var p struct{ ImportPath, Name, Export string }
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else {
			require.NoError(t, err)
		}
		exports[p.ImportPath] = p.Export
		if below(p.ImportPath, module) && p.Name != "main" && !isInternal(p.ImportPath) {
			paths = append(paths, p.ImportPath)
		}
	}
	require.NoError(t, cmd.Wait())
	load := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("no export data for %s", path)
		}
		return os.Open(exports[path])
	})
	var packages []*types.Package
	for _, path := range paths {
		p, err := load.Import(path)
		require.NoError(t, err)
		if slices.ContainsFunc(p.Scope().Names(), token.IsExported) {
			packages = append(packages, p)
		}
	}
	require.NotEmpty(t, packages)
	return packages
}

func isInternal(path string) bool {
	return slices.Contains(strings.Split(path, "/"), "internal")
}

// exposed tells which exported names of a package have to do with internal types.
func exposed(p *types.Package) (faults []string) {
	for _, name := range p.Scope().Names() {
		object := p.Scope().Lookup(name)
		if !object.Exported() {
			continue
		}
		w := walk{of: p, seen: map[types.Type]bool{}}
		w.object(name, object)
		faults = append(faults, w.faults...)
	}
	return faults
}

// A walk goes through all that can be reached from one exported name.
type walk struct {
	of     *types.Package
	seen   map[types.Type]bool
	faults []string
}

func (w *walk) object(at string, o types.Object) {
	named, ok := o.(*types.TypeName)
	if !ok {
		w.typ(at, o.Type())
		return
	}
	if alias, ok := o.Type().(*types.Alias); ok {
		w.typ(at, alias.Rhs())
		return
	}
	t, ok := named.Type().(*types.Named)
	if !ok {
		return
	}
	w.typ(at, t.Underlying())
	for i := range t.TypeParams().Len() {
		w.typ(at, t.TypeParams().At(i).Constraint())
	}
	methods := types.NewMethodSet(types.NewPointer(t)) // with those of embedded types
	for i := range methods.Len() {
		if m := methods.At(i).Obj(); m.Exported() {
			w.typ(at+"."+m.Name(), m.Type())
		}
	}
}

// typ looks at a type that something exported names.
func (w *walk) typ(at string, t types.Type) {
	if t == nil || w.seen[t] {
		return
	}
	w.seen[t] = true
	switch t := t.(type) {
	case *types.Alias:
		w.name(at, t.Obj())
		w.typ(at, t.Rhs())
	case *types.Named:
		w.name(at, t.Obj())
		for i := range t.TypeArgs().Len() {
			w.typ(at, t.TypeArgs().At(i))
		}
	case *types.Pointer:
		w.typ(at, t.Elem())
	case *types.Slice:
		w.typ(at, t.Elem())
	case *types.Array:
		w.typ(at, t.Elem())
	case *types.Chan:
		w.typ(at, t.Elem())
	case *types.Map:
		w.typ(at, t.Key())
		w.typ(at, t.Elem())
	case *types.Signature:
		w.tuple(at, t.Params())
		w.tuple(at, t.Results())
		for i := range t.TypeParams().Len() {
			w.typ(at, t.TypeParams().At(i).Constraint())
		}
	case *types.Struct:
		for i := range t.NumFields() {
			if f := t.Field(i); f.Exported() || f.Embedded() {
				w.typ(at+"."+f.Name(), f.Type())
			}
		}
	case *types.Interface:
		for i := range t.NumMethods() {
			if m := t.Method(i); m.Exported() {
				w.typ(at+"."+m.Name(), m.Type())
			}
		}
		for i := range t.NumEmbeddeds() {
			w.typ(at, t.EmbeddedType(i))
		}
	case *types.Union:
		for i := range t.Len() {
			w.typ(at, t.Term(i).Type())
		}
	}
}

func (w *walk) tuple(at string, t *types.Tuple) {
	for i := range t.Len() {
		w.typ(at, t.At(i).Type())
	}
}

// name checks where a named type is from. An unexported type of the package itself is
// followed: what it has is reachable through the value.
func (w *walk) name(at string, o *types.TypeName) {
	p := o.Pkg()
	switch {
	case p == nil:
	case below(p.Path(), module) && isInternal(p.Path()):
		w.faults = append(w.faults, fmt.Sprintf("%s has the type %s.%s", at, p.Path(), o.Name()))
	case p == w.of && !o.Exported():
		w.object(at, o)
	}
}

// What the check finds, in a package that exposes what it should not in every way.
func TestExposed(t *testing.T) {
	t.Parallel()
	set := token.NewFileSet()
	check := func(path, source string, imports ...*types.Package) *types.Package {
		file, err := parser.ParseFile(set, path+".go", source, 0)
		require.NoError(t, err)
		p, err := (&types.Config{Importer: given(imports)}).Check(path, set, []*ast.File{file}, nil)
		require.NoError(t, err)
		return p
	}
	inner := check(module+"/internal/inner", `package inner
type T struct{}
type I interface{ M() }
const C T2 = 1
type T2 int`)
	outer := check(module+"/outer", `package outer
import "`+module+`/internal/inner"

type hidden struct{ Field inner.T }
type List[E any] []E

type Alias = inner.T
const Constant = inner.C
var Variable map[string]*inner.T
func Parameter(inner.T) {}
func Result() []inner.T { return nil }
func Instance(List[inner.T]) {}
type Field struct{ F chan inner.T }
type Embedded struct{ inner.T }
type Method struct{}
func (*Method) M(func(inner.T)) {}
type Inner interface{ inner.I }
type Reached struct{ hidden }
type Constraint[E inner.I] struct{ e E }

type Fine struct{ field inner.T }
func (Fine) unexported(inner.T) {}
type FineMethod interface{ unexported(inner.T) }
func FineBody() { _ = inner.T{} }
`, inner)
	found := map[string]bool{}
	for _, fault := range exposed(outer) {
		name, _, _ := strings.Cut(fault, " ")
		name, _, _ = strings.Cut(name, ".")
		found[name] = true
	}
	require.Equal(t, []string{
		"Alias", "Constant", "Constraint", "Embedded", "Field", "Inner", "Instance", "Method", "Parameter", "Reached", "Result", "Variable",
	}, slices.Sorted(maps.Keys(found)))
}

// given imports the packages that there are.
type given []*types.Package

func (g given) Import(path string) (*types.Package, error) {
	for _, p := range g {
		if p.Path() == path {
			return p, nil
		}
	}
	return nil, fmt.Errorf("no package %s", path)
}

func below(path, top string) bool { return path == top || strings.HasPrefix(path, top+"/") }
