package chat

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	left   = "\x1b[D"
	right  = "\x1b[C"
	arrowU = "\x1b[A"
	arrowD = "\x1b[B"
	bs     = "\x7f"
	ctrlU  = "\x15"
	ctrlW  = "\x17"
)

func TestEditing(t *testing.T) {
	t.Parallel()
	const (
		family = "\U0001f469\u200d\U0001f469\u200d\U0001f467"
		german = "\U0001f1e9\U0001f1ea"
		french = "\U0001f1eb\U0001f1f7"
	)
	for name, test := range map[string]struct{ keys, seen, sent string }{
		"wide, all deleted":      {"日本語" + ctrlU, cursor, ""},
		"wide, one deleted":      {"日本語" + bs, "日本" + cursor, "日本"},
		"wide, in the middle":    {"日本語" + left + bs + "x", "日x" + cursor + "語", "日x語"},
		"wide, behind narrow":    {"a日b" + left + left, "a" + cursor + "日b", "a日b"},
		"wide, the next deleted": {"日本語\x01\x1b[3~", cursor + "本語", "本語"},
		"wide, to the end":       {"日本語" + left + left + "\x0b", "日" + cursor, "日"},
		"wide, exchanged":        {"日本\x14", "本日" + cursor, "本日"},
		"combining":              {"ae\u0301b" + left + left, "a" + cursor + "e\u0301b", "ae\u0301b"},
		"combining, deleted":     {"ae\u0301b" + left + bs, "a" + cursor + "b", "ab"},
		"combining, typed late":  {"ae" + "\u0301" + "b", "ae\u0301b" + cursor, "ae\u0301b"},
		"combining with nothing": {"\u0301a", " \u0301a" + cursor, "\u0301a"},
		"emoji":                  {"a" + family + "b" + left + left, "a" + cursor + family + "b", "a" + family + "b"},
		"emoji, deleted":         {"a" + family + "b" + left + bs, "a" + cursor + "b", "ab"},
		"flags":                  {german + french + bs, german + cursor, german},
		"flags that meet":        {german[:4] + "x" + german[4:] + left + bs + "y", german + "y" + cursor, german + "y"},
		"hangul":                 {"한글" + left, "한" + cursor + "글", "한글"},
		"words":                  {"日本 ein 語" + ctrlW + ctrlW, "日本 " + cursor, "日本 "},
		"words, over them":       {"one 日本 two\x1bb\x1b[1;5D.\x1bf,", "one .日本 ," + cursor + "two", "one .日本 ,two"},
		"words, ahead":           {"one 日本 two\x1b[H\x1bd\x1b[F!", "日本 two!" + cursor, "日本 two!"},
		"home and end":           {"日\x1bOH(\x1bOF)\x1b[1~<\x1b[4~>", "<(日)>" + cursor, "<(日)>"},
		"at the ends":            {left + bs + "a" + right + "\x1b[3~\x04b", "ab" + cursor, "ab"},
		"unknown keys":           {"a\x1b[15~\x1b[[A\x1b[1;2Z\x1bOP\x1bq\x00b", "ab" + cursor, "ab"},
		"escape alone":           {"a\x1b\x01b", "b" + cursor + "a", "ba"},
		"no UTF-8":               {"a\xffb", "a\ufffdb" + cursor, "a\ufffdb"},
		"history":                {"x日" + arrowU + arrowU + arrowD, "second " + "本" + cursor, "second 本"},
		"history, and back":      {"x日" + arrowU + arrowU + arrowU + arrowD + arrowD + arrowD + "y", "x日y" + cursor, "x日y"},
		"history, several lines": {arrowU + arrowU + "!", "日⏎語!" + cursor, "日\n語!"},
		"screen cleared":         {"日本" + left + "\x0c", "日" + cursor + "本", "日本"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, 40, 4)
			for _, entry := range []string{"日\n語", "second 本"} {
				require.NoError(t, d.screen.History.Remember(entry))
			}
			typed := d.screen.ReadLine("\x1b[1;32myou › \x1b[0m")
			d.types(test.keys)
			d.sees("you › " + test.seen)
			d.types("\r")
			require.Equal(t, Line{Text: test.sent}, d.gets(typed))
			d.sees(strings.TrimRight("you › "+strings.Replace(test.seen, cursor, "", 1), " "), cursor)
		})
	}
}

func TestEndsOfALine(t *testing.T) {
	t.Parallel()
	for keys, want := range map[string]error{"\x04": io.EOF, "日本\x03": ErrBreak, "\x1b\x03": ErrBreak} {
		d := newDesk(t, 40, 4)
		typed := d.screen.ReadLine("› ")
		d.types(keys)
		require.ErrorIs(t, d.gets(typed).Err, want)
		typed = d.screen.ReadLine("› ")
		d.types("anew\r")
		require.Equal(t, Line{Text: "anew"}, d.gets(typed))
	}
}

func TestLinesOfSeveralRows(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 10, 6)
	typed := d.screen.ReadLine("› ")
	d.types("a日本語日")
	d.sees("› a日本語", "日"+cursor)
	d.types("本語b") // the last character reaches the right edge
	d.types(strings.Repeat(left, 4))
	d.sees("› a日本語", cursor+"日本語b")
	d.types(bs)
	d.sees("› a日本"+cursor+"日", "本語b")
	d.types("x\x1b[Hyz")
	d.sees("› yz"+cursor+"a日本x", "日本語b")
	d.types("\x1b[F123")
	d.sees("› yza日本x", "日本語b123", cursor)
	d.types(left)
	d.sees("› yza日本x", "日本語b12"+cursor+"3")
	d.types("\r")
	require.Equal(t, Line{Text: "yza日本x日本語b123"}, d.gets(typed))
	d.sees("› yza日本x", "日本語b123", cursor)

	typed = d.screen.ReadLine("› ")
	d.types("日本語日本語日本" + ctrlU)
	d.sees("› yza日本x", "日本語b123", "› "+cursor)
	d.types("日本語日本語日本" + "\x1b[H\x03") // what is below the cursor stays
	require.ErrorIs(t, d.gets(typed).Err, ErrBreak)
	d.sees("› yza日本x", "日本語b123", "› 日本語日", "本語日本", cursor)
}

func TestALineHigherThanTheScreen(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 10, 3)
	typed := d.screen.ReadLine("› ")
	d.types("aaaaaaaabbbbbbbbbbccccccccccdddddddddde")
	d.sees("cccccccccc", "dddddddddd", "e"+cursor)
	d.types("\x1b[H")
	d.sees("› "+cursor+"aaaaaaaa", "bbbbbbbbbb", "cccccccccc")
	d.types("日")
	d.sees("› 日"+cursor+"aaaaaa", "aabbbbbbbb", "bbcccccccc")
	d.screen.Print("above\n")
	d.sees("› 日"+cursor+"aaaaaa", "aabbbbbbbb", "bbcccccccc")
	d.types(bs + "\r")
	require.Equal(t, Line{Text: "aaaaaaaabbbbbbbbbbccccccccccdddddddddde"}, d.gets(typed))
	d.sees("dddddddddd", "e", cursor)
}

func TestPrintAboveALine(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 10, 8)
	d.screen.Print("first\n")
	typed := d.screen.ReadLine("› ")
	d.types("日本語日本" + left + left)
	d.sees("first", "› 日本語"+cursor+"日", "本")
	d.screen.Print("a reply\nof 本 words\n")
	d.sees("first", "a reply", "of 本 word", "s", "› 日本語"+cursor+"日", "本")
	d.screen.Print("no end")
	d.sees("first", "a reply", "of 本 word", "s", "no end", "› 日本語"+cursor+"日", "本")
	d.types("x\r")
	require.Equal(t, Line{Text: "日本語x日本"}, d.gets(typed))

	question := d.screen.Ask("really? › ")
	d.types("はい")
	d.sees("a reply", "of 本 word", "s", "no end", "› 日本語x", "日本", "really? ›", "はい"+cursor)
	require.ErrorIs(t, d.screen.Cancel(question).Err, ErrInterrupted)
	d.screen.Print("over\n")
	d.sees("s", "no end", "› 日本語x", "日本", "really? ›", "はい", "over", cursor)
}

func TestPaste(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 40, 8)
	typed := d.screen.ReadLine("› ")
	d.types("日" + string(pasteStart) + "\t本\x1b[31m\x03\x04\u009b語\r\n二\n三" + string(pasteEnd) + "!" + left)
	require.Equal(t, Line{Text: "日\t本\x1b[31m\x03\x04\u009b語", Pasted: true}, d.gets(typed))
	d.sees("› 日    本^[[31m^C^D\ufffd語", cursor)
	typed = d.screen.ReadLine("… ")
	require.Equal(t, Line{Text: "二", Pasted: true}, d.gets(typed))
	typed = d.screen.ReadLine("… ")
	d.sees("› 日    本^[[31m^C^D\ufffd語", "… 二", "… 三"+cursor+"!")
	d.types("\r")
	require.Equal(t, Line{Text: "三!"}, d.gets(typed))

	long := strings.Repeat("日本e\u0301 ", 10_000)
	typed = d.screen.ReadLine("› ")
	d.types(string(pasteStart) + long + string(pasteEnd) + "\r")
	require.Equal(t, Line{Text: long}, d.gets(typed))
}

func TestResize(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 20, 8)
	d.screen.Print("above\n")
	typed := d.screen.ReadLine("› ")
	d.types("日本語日本語日本語日本語" + left)
	d.sees("above", "› 日本語日本語日本語", "日本"+cursor+"語")
	d.resize(8)
	d.types("x")
	d.sees("above", "› 日本語", "日本語日", "本語日本", "x"+cursor+"語")
	d.resize(30)
	d.types("y")
	d.sees("above", "› 日本語日本語日本語日本xy"+cursor+"語")
	d.types("\r")
	require.Equal(t, Line{Text: "日本語日本語日本語日本xy語"}, d.gets(typed))
}
