package cli

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// table writes aligned columns, or, where the terminal is too narrow for them, a
// paragraph for each row.
func (a *app) table(heads []string, rows [][]cell) {
	widths := columnWidths(heads, rows)
	total := -len(gap)
	for _, w := range widths {
		total += w + len(gap)
	}
	if width := a.width(); width > 0 && total > width && len(rows) > 0 {
		a.paragraphs(heads, rows, width)
		return
	}
	head := make([]cell, len(heads))
	for i, h := range heads {
		head[i] = cell{text: h, colour: dim, right: len(rows) > 0 && rows[0][i].right}
	}
	for _, row := range append([][]cell{head}, rows...) {
		a.line(row, widths)
	}
}

// gap is what stands between columns.
const gap = "  "

func columnWidths(heads []string, rows [][]cell) []int {
	widths := make([]int, len(heads))
	for i, h := range heads {
		widths[i] = utf8.RuneCountInString(h)
		for _, row := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i].text))
		}
	}
	return widths
}

// line writes a row. It measures before it colours, which text/tabwriter cannot.
func (a *app) line(row []cell, widths []int) {
	var b strings.Builder
	for i, c := range row {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
		if c.right {
			b.WriteString(pad + a.coloured(c))
		} else {
			b.WriteString(a.coloured(c) + pad)
		}
		b.WriteString(gap)
	}
	fmt.Fprintln(a.Stdout, strings.TrimRight(b.String(), " "))
}

// paragraphs writes each row as its first cell, and below it, indented, the others
// with their heads, as many on a line as fit. Cells that say nothing are left out.
func (a *app) paragraphs(heads []string, rows [][]cell, width int) {
	for _, row := range rows {
		fmt.Fprintln(a.Stdout, a.coloured(row[0]))
		used := 0
		for i, c := range row[1:] {
			if c.text == "-" || c.text == "" {
				continue
			}
			label := strings.ToLower(strings.Trim(heads[i+1], "=+ ")) + " "
			length := utf8.RuneCountInString(label + c.text)
			switch {
			case used == 0:
				fmt.Fprint(a.Stdout, gap)
			case used+len(gap)+length > width:
				fmt.Fprint(a.Stdout, "\n"+gap)
				used = 0
			default:
				fmt.Fprint(a.Stdout, gap)
			}
			used += len(gap) + length
			c.text = wrapped(c.text, width-len(gap), utf8.RuneCountInString(label))
			fmt.Fprint(a.Stdout, a.coloured(cell{text: label, colour: dim})+a.coloured(c))
		}
		if used > 0 {
			fmt.Fprintln(a.Stdout)
		}
	}
}

// wrapped breaks a text at spaces into lines of a width, of which the first has less
// room. Lines after the first are indented.
func wrapped(text string, width, taken int) string {
	var b strings.Builder
	for i, word := range strings.Split(text, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case taken+1+n > width:
			b.WriteString("\n" + gap + gap)
			taken = len(gap)
		default:
			b.WriteByte(' ')
			taken++
		}
		b.WriteString(word)
		taken += n
	}
	return b.String()
}

// width is that of the terminal; 0 where there is none, so that nothing is bound.
func (a *app) width() int {
	if a.Width == nil {
		return 0
	}
	return a.Width(a.Stdout)
}

// terminalWidth is the width of a terminal; 0 for anything else.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
