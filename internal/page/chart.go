package page

import (
	"fmt"
	"html"
	"html/template"
	"regexp"
	"strings"

	"github.com/go-analyze/charts"

	"github.com/parley-run/parley/internal/printable"
)

// A Chart has bars: one for each label and series.
type Chart struct {
	Title string
	// Note is a small line beside the title: the unit.
	Note   string
	Labels []string
	Series []Series
	// Lying bars run from left to right, one below the other: for long labels.
	Lying bool
	// Format writes a value. Nil: a plain number.
	Format func(float64) string
}

// A Series is one value for each label. Its name is in the legend if there are several.
type Series struct {
	Name   string
	Values []float64
}

// Colours that the library paints with. colour replaces each by a variable of the style, so
// that the chart follows the reader's light or dark scheme.
var (
	paint   = []charts.Color{{R: 1, G: 1, B: 1, A: 255}, {R: 2, G: 2, B: 2, A: 255}, {R: 3, G: 3, B: 3, A: 255}, {R: 4, G: 4, B: 4, A: 255}}
	inkText = charts.Color{R: 5, G: 5, B: 5, A: 255}
	inkLine = charts.Color{R: 6, G: 6, B: 6, A: 255}
	colours = strings.NewReplacer(
		"rgb(1,1,1)", "var(--c0)", "rgb(2,2,2)", "var(--c1)", "rgb(3,3,3)", "var(--c2)", "rgb(4,4,4)", "var(--c3)",
		"rgb(5,5,5)", "var(--ink)", "rgb(6,6,6)", "var(--line)")
	palette = charts.MakeTheme(charts.ThemeOption{
		AxisStrokeColor: inkLine, AxisSplitLineColor: inkLine, TextColor: inkText, SeriesColors: paint, BackgroundColor: charts.ColorTransparent,
	})
)

const (
	chartWidth  = 560
	chartHeight = 260
	// labelLetters bounds labels: they come from others.
	labelLetters = 26
)

// svg draws the chart. Its description lists all values, for those who cannot see it.
func (c Chart) svg() (template.HTML, error) {
	if len(c.Labels) == 0 || len(c.Series) == 0 {
		return "", nil
	}
	format := c.Format
	if format == nil {
		format = func(v float64) string { return fmt.Sprintf("%.4g", v) }
	}
	opt := charts.NewBarChartOptionWithData(c.values())
	opt.Theme, opt.Horizontal, opt.ValueFormatter = palette, c.Lying, format
	opt.CategoryAxis.Labels = c.labels()
	opt.CategoryAxis.LabelCount = len(c.Labels)
	opt.Padding = charts.NewBoxEqual(8)
	opt.ValueAxis[0].Min = charts.Ptr(0.0) // the library would begin near the smallest value
	opt.Legend.Show = charts.Ptr(len(c.Series) > 1)
	for i, s := range c.Series {
		opt.Legend.SeriesNames = append(opt.Legend.SeriesNames, label(s.Name))
		opt.SeriesList[i].Label.Show = charts.Ptr(true)
		opt.SeriesList[i].Label.ValueFormatter = format
	}
	height := chartHeight
	if c.Lying { // each bar has a height of its own
		height = 60 + 34*len(c.Labels)
	}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: chartWidth, Height: height, Theme: palette})
	if err := p.BarChart(opt); err != nil {
		return "", fmt.Errorf("chart %q: %w", c.Title, err)
	}
	drawn, err := p.Bytes()
	if err != nil {
		return "", fmt.Errorf("chart %q: %w", c.Title, err)
	}
	tag := `<svg role="img" aria-label="` + html.EscapeString(printable.VisibleLine(c.describe(format))) + `" `
	return template.HTML(strings.Replace(withoutStyles(string(drawn)), "<svg ", tag, 1)), nil // nolint:gosec // the library escapes texts
}

func (c Chart) values() [][]float64 {
	out := make([][]float64, len(c.Series))
	for i, s := range c.Series {
		out[i] = s.Values
	}
	return out
}

func (c Chart) labels() []string {
	out := make([]string, len(c.Labels))
	for i, l := range c.Labels {
		out[i] = label(l)
	}
	return out
}

func label(text string) string {
	return printable.ClipLetters(printable.VisibleLine(text), labelLetters)
}

// describe is the chart in words.
func (c Chart) describe(format func(float64) string) string {
	var b strings.Builder
	b.WriteString(c.Title)
	for i, l := range c.Labels {
		b.WriteString("; " + l + ":")
		for _, s := range c.Series {
			if len(c.Series) > 1 {
				b.WriteString(" " + s.Name)
			}
			b.WriteString(" " + format(s.Values[i]))
		}
	}
	return b.String()
}

// tagStyle finds the style of a tag. The library escapes "<" and ">" in texts, so that no
// text can match.
var tagStyle = regexp.MustCompile(`(<(?:path|text|circle)\b[^<>]*?)style="([^"<>]*)"`)

// withoutStyles makes attributes of what the library writes as inline style, which the page's
// policy forbids, and variables of its colours.
func withoutStyles(svg string) string {
	return tagStyle.ReplaceAllStringFunc(svg, func(tag string) string {
		m := tagStyle.FindStringSubmatch(tag)
		var b strings.Builder
		b.WriteString(m[1])
		for _, rule := range strings.Split(m[2], ";") {
			name, value, ok := strings.Cut(rule, ":")
			if !ok || name == "font-family" { // the page's
				continue
			}
			b.WriteString(name + `="` + colours.Replace(value) + `" `)
		}
		return b.String()
	})
}
