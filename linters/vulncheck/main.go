// Vulncheck runs govulncheck on the packages that it is given and fails when the
// code calls a function of a dependency that has a known vulnerability.
//
// The database is vuln.go.dev. Where that cannot be reached, it is the newest
// golang.org/x/vulndb of the Go module proxy, which holds the same entries. Where
// neither can be reached, vulncheck says so and succeeds: a machine without a
// network can still lint.
//
// A vulnerability of the standard library is printed and does not fail: the
// machine decides which Go builds the code, so no change to this repository removes
// it. Its line names the Go version that does.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/vuln/scan"
)

const (
	database = "https://vuln.go.dev"
	// module holds the database as one file an entry, below data/osv.
	module = "golang.org/x/vulndb@latest"

	reachTimeout    = 15 * time.Second
	downloadTimeout = 2 * time.Minute
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("vulncheck: ")
	flag.Parse()
	affected, err := run(context.Background(), flag.Args())
	if err != nil {
		log.Fatal(err)
	}
	if affected {
		os.Exit(1)
	}
}

// run reports whether the packages call a vulnerable function of a dependency.
func run(ctx context.Context, packages []string) (bool, error) {
	db, err := reach(ctx)
	if err != nil {
		log.Printf("NOT CHECKED: no database of vulnerabilities can be reached:\n%v", err)
		return false, nil
	}
	log.Printf("database %s", db)
	var out bytes.Buffer
	cmd := scan.Command(ctx, append([]string{"-format", "json", "-db", db}, packages...)...)
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	if err := cmd.Start(); err != nil {
		return false, err
	}
	if err := cmd.Wait(); err != nil {
		return false, err
	}
	found, err := parse(&out)
	if err != nil {
		return false, fmt.Errorf("read govulncheck's report: %w", err)
	}
	return found.print(os.Stdout), nil
}

// reach returns the address of a database that answers.
func reach(ctx context.Context) (string, error) {
	err := answers(ctx, database+"/index/db.json")
	if err == nil {
		return database, nil
	}
	dir, moduleErr := download(ctx)
	if moduleErr != nil {
		return "", errors.Join(err, moduleErr)
	}
	return "file://" + filepath.ToSlash(filepath.Join(dir, "data", "osv")), nil
}

func answers(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", address, resp.Status)
	}
	return nil
}

// download returns the folder of the module in the module cache.
func download(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = os.TempDir() // outside of any module
	out, err := cmd.Output()
	var answer struct{ Dir, Error string }
	_ = json.Unmarshal(out, &answer) // an answer that is no JSON names no folder
	switch {
	case answer.Error != "":
		return "", fmt.Errorf("download %s: %s", module, answer.Error)
	case err != nil:
		return "", fmt.Errorf("download %s: %w", module, err)
	case answer.Dir == "":
		return "", fmt.Errorf("download %s: the go command names no folder", module)
	}
	return answer.Dir, nil
}

type vulnerability struct {
	id, summary string
	module      string
	inUse       string // version
	fixed       string // version; empty: none yet
	call        string // where the code calls a vulnerable function; empty: nowhere
}

// standard reports whether it is in the standard library or the go command.
func (v *vulnerability) standard() bool { return v.module == "stdlib" || v.module == "toolchain" }

type vulnerabilities map[string]*vulnerability // by id and module

type frame struct {
	Module, Version, Package, Function string
	Position                           *struct {
		Filename string
		Line     int
	}
}

// parse reads govulncheck's report, a stream of JSON objects of one key each.
func parse(r io.Reader) (vulnerabilities, error) {
	summaries := map[string]string{}
	found := vulnerabilities{}
	for decoder := json.NewDecoder(r); ; {
		var message struct {
			OSV     *struct{ ID, Summary string }
			Finding *struct {
				OSV          string
				FixedVersion string `json:"fixed_version"`
				Trace        []frame
			}
		}
		err := decoder.Decode(&message)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if o := message.OSV; o != nil {
			summaries[o.ID] = o.Summary
		}
		if f := message.Finding; f != nil && len(f.Trace) > 0 {
			found.add(f.OSV, f.FixedVersion, f.Trace)
		}
	}
	for _, v := range found {
		v.summary = summaries[v.id]
	}
	return found, nil
}

// add takes a finding: its trace leads from the vulnerable function, or from its
// package or module alone, to the scanned code.
func (found vulnerabilities) add(id, fixed string, trace []frame) {
	vulnerable, caller := trace[0], trace[len(trace)-1]
	key := id + " " + vulnerable.Module
	v := found[key]
	if v == nil {
		v = &vulnerability{id: id, module: vulnerable.Module, inUse: vulnerable.Version, fixed: fixed}
		found[key] = v
	}
	if v.call != "" || vulnerable.Function == "" {
		return
	}
	v.call = caller.Package + "." + caller.Function
	if p := caller.Position; p != nil {
		v.call = fmt.Sprintf("%s:%d", p.Filename, p.Line)
	}
}

// print lists what the code calls and counts the rest. It reports whether a call
// is into a dependency.
func (found vulnerabilities) print(w io.Writer) bool {
	affected, uncalled := false, 0
	for _, key := range slices.Sorted(maps.Keys(found)) {
		v := found[key]
		if v.call == "" {
			uncalled++
			continue
		}
		affected = affected || !v.standard()
		fmt.Fprintf(w, "%s: %s\n\t%s@%s, called at %s: %s\n", v.id, v.summary, v.module, v.inUse, v.call, v.remedy())
	}
	if uncalled > 0 {
		fmt.Fprintf(w, "%d more in required modules, in functions that the code does not call\n", uncalled)
	}
	return affected
}

func (v *vulnerability) remedy() string {
	switch {
	case v.fixed == "":
		return "not fixed in any version"
	case v.standard():
		return "build with go" + strings.TrimPrefix(v.fixed, "v") + " or newer (not counted as a failure)"
	default:
		return "fixed in " + v.fixed
	}
}
