package config_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/parley-run/parley/internal/config"
)

// Whatever stands in a file, it is read or refused at once, in one line.
func TestFilesWithoutEnd(t *testing.T) {
	t.Parallel()
	levels := func(format string) string {
		text := "a: &a {x: 1}\n"
		last := "a"
		for _, name := range strings.Split("b c d e f g h i j k", " ") {
			items := strings.TrimSuffix(strings.Repeat("*"+last+", ", 10), ", ")
			text += name + ": &" + name + " " + strings.ReplaceAll(format, "%", items) + "\n"
			last = name
		}
		return text
	}
	for name, test := range map[string]struct{ text, want string }{
		"MergeBomb":    {levels("{<<: [%]}"), "once aliases are written out"},
		"MergeInAgent": {levels("{<<: [%]}") + "agents: {s: {<<: *k}}\n", "once aliases are written out"},
		"AliasBomb":    {levels("[%]"), "once aliases are written out"},
		"Cycle":        {"agents: &a {b: *a}\n", "contains itself"},
		"MergeCycle":   {"agents: &a {<<: *a}\n", "contains itself"},
		"Deep":         {"agents: " + strings.Repeat("{a: ", 300) + "1" + strings.Repeat("}", 300), "levels deep"},
		"VeryDeep":     {strings.Repeat("[", 50_000), "not valid YAML"},
		"NUL":          {"agents: {a: \"\x00\"}\n", "not valid YAML: control characters are not allowed"},
		"NotUTF8":      {"agents: {a: \xff\xfe}\n", "not valid YAML"},
		"Binary":       {"\x7fELF\x02\x01\x01\x00\x00", "not valid YAML"},
		"LongKey":      {"? " + strings.Repeat("k", 900_000) + "\n: 1\n", "is no section of the file"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Load(config.Source{ReadFile: func(path string) ([]byte, error) {
				if path == config.DefaultFile {
					return []byte(test.text), nil
				}
				return nil, fs.ErrNotExist
			}})
			require.ErrorContains(t, err, test.want)
			require.ErrorContains(t, err, "parley.yaml")
			require.Less(t, len(err.Error()), 1000)
		})
	}
}
