// Analyze is staticcheck with more analyzers: errcheck, depguard, nilness and
// unusedwrite. One program loads and type-checks the packages once, keeps
// staticcheck's cache, and lets one kind of comment excuse a line:
//
//	//lint:ignore errcheck the reason, which is required
//
// The settings stand beside this file and are built in, so that a changed
// setting is a new program and empties the cache: layers.yaml for depguard,
// unchecked.txt for errcheck. staticcheck.conf at the root chooses the checks.
//
//	analyze -root DIRECTORY [packages]
//
// DIRECTORY is the root of the repository, which the file patterns of
// layers.yaml are relative to.
package main

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"log"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/OpenPeeDeeP/depguard/v2"
	"github.com/gobwas/glob"
	"github.com/kisielk/errcheck/errcheck"
	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/passes/nilness"
	"golang.org/x/tools/go/analysis/passes/unusedwrite"
	"honnef.co/go/tools/lintcmd"
	"honnef.co/go/tools/lintcmd/version"
	"honnef.co/go/tools/simple"
	"honnef.co/go/tools/staticcheck"
	"honnef.co/go/tools/stylecheck"
	"honnef.co/go/tools/unused"
)

//go:embed layers.yaml
var layers []byte

//go:embed unchecked.txt
var unchecked string

func main() {
	log.SetFlags(0)
	cmd := lintcmd.NewCommand("analyze")
	cmd.SetVersion(version.Version, version.MachineVersion)
	root := cmd.FlagSet().String("root", "", "root `directory` of the repository (required)")
	cmd.ParseFlags(os.Args[1:])

	guard, err := layerGuard(*root)
	if err != nil {
		log.Fatalf("analyze: layers.yaml: %v", err)
	}
	cmd.AddAnalyzers(simple.Analyzers...)
	cmd.AddAnalyzers(staticcheck.Analyzers...)
	cmd.AddAnalyzers(stylecheck.Analyzers...)
	cmd.AddAnalyzers(unused.Analyzer)
	cmd.AddBareAnalyzers(guard, errorCheck(), nilness.Analyzer, unusedwrite.Analyzer)
	cmd.Run()
}

// layerGuard returns depguard with the lists of layers.yaml, whose file patterns
// are anchored at root: a checkout below a folder called "workflows" is not taken
// for that layer.
func layerGuard(root string) (*analysis.Analyzer, error) {
	if root == "" {
		return nil, errors.New("set -root to the root of the repository")
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	var lists depguard.LinterSettings
	decoder := yaml.NewDecoder(bytes.NewReader(layers))
	decoder.KnownFields(true)
	if err := decoder.Decode(&lists); err != nil {
		return nil, err
	}
	for name, list := range lists {
		for i, pattern := range list.Files {
			if strings.HasPrefix(pattern, "!") {
				continue
			}
			folder := strings.TrimSuffix(pattern, "/**")
			if _, err := os.Stat(filepath.Join(root, folder)); err != nil {
				return nil, fmt.Errorf("list %s: no such folder: %s", name, pattern)
			}
			list.Files[i] = glob.QuoteMeta(path.Join(filepath.ToSlash(root), folder)) + "/**"
		}
	}
	return depguard.NewAnalyzer(&lists)
}

// errorCheck returns errcheck with the exclusions of unchecked.txt. Its message
// names the function. A test's helper, which takes the test and fails it, has
// checked the error that it returns for further checks.
func errorCheck() *analysis.Analyzer {
	for line := range strings.Lines(unchecked) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") {
			errcheck.DefaultExcludedSymbols = append(errcheck.DefaultExcludedSymbols, line)
		}
	}
	run := errcheck.Analyzer.Run
	errcheck.Analyzer.Run = func(pass *analysis.Pass) (any, error) {
		calls := callsByParenthesis(pass.Files)
		report := pass.Report
		named := *pass
		named.Report = func(d analysis.Diagnostic) {
			call := calls[d.Pos]
			if call == nil {
				report(d)
				return
			}
			if takesTest(pass.TypesInfo.TypeOf(call.Fun)) {
				return
			}
			d.Message = fmt.Sprintf("the error of %s is not checked", types.ExprString(call.Fun))
			report(d)
		}
		return run(&named)
	}
	return errcheck.Analyzer
}

// callsByParenthesis finds calls by where errcheck reports them.
func callsByParenthesis(files []*ast.File) map[token.Pos]*ast.CallExpr {
	calls := map[token.Pos]*ast.CallExpr{}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				calls[call.Lparen] = call
			}
			return true
		})
	}
	return calls
}

// takesTest reports whether the first parameter is a *testing.T or a testing.TB.
func takesTest(function types.Type) bool {
	signature, ok := function.(*types.Signature)
	if !ok || signature.Params().Len() == 0 {
		return false
	}
	switch signature.Params().At(0).Type().String() {
	case "*testing.T", "testing.TB":
		return true
	}
	return false
}
