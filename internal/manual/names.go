package manual

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

// Prefix begins the names of the programs in packages, where "worker" alone might be
// anybody's.
const Prefix = "parley-"

// Called is the name that the program was started with, if it is the packages' name, and
// else its own: "worker".
func Called(own string) string {
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	if name == Prefix+own {
		return name
	}
	return own
}

// Rename gives a tree of commands another name: in its texts, too.
func Rename(root *cobra.Command, name string) {
	own := root.Name()
	if own == name {
		return
	}
	for _, cmd := range visible(root) {
		cmd.Long, cmd.Example = Renamed(cmd.Long, own, name), Renamed(cmd.Example, own, name)
	}
	root.Use = name
}

// Renamed is a help text with the program's other name, where it is called: at the
// beginning of a line, after a prompt or a backquote, and after "Usage:".
func Renamed(text, own, name string) string {
	called := regexp.MustCompile(`(?m)(^ *|[$|:>] |` + "`" + `|: |run )` + regexp.QuoteMeta(own) + `( (?:-|\[|[A-Za-z])|` + "`" + `|$)`)
	return called.ReplaceAllString(text, "${1}"+name+"${2}")
}
