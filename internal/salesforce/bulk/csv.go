package bulk

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// maxRow bounds a row: 400,000 characters a record may have, in UTF-8 and with
// every quote doubled, and room to spare.
const maxRow = 8 << 20

var (
	errOpenQuote  = errors.New("the CSV ends inside a quoted value")
	errStrayQuote = errors.New("a quote stands inside a CSV value that is not quoted")
	errAfterQuote = errors.New("something follows a CSV value's closing quote")
	errLongRow    = fmt.Errorf("a CSV row is longer than %d bytes", maxRow)
)

// rowReader decodes CSV with commas and LF row by row. Unlike the standard
// library's reader it keeps carriage returns inside quotes, which are data.
type rowReader struct {
	in   *bufio.Reader
	text []byte // the values of the row, end to end
	ends []int
}

func newRowReader(in io.Reader) *rowReader { return &rowReader{in: bufio.NewReaderSize(in, 64<<10)} }

// read returns the next row, io.EOF when there is none. An empty line is none.
func (r *rowReader) read(into []string) ([]string, error) {
	for {
		r.text, r.ends = r.text[:0], r.ends[:0]
		err := r.row()
		switch {
		case err != nil && !errors.Is(err, io.EOF):
			return nil, err
		case len(r.ends) > 1 || len(r.text) > 0 || len(r.ends) == 1 && r.quoted():
			return r.cut(into), nil
		case err != nil:
			return nil, io.EOF
		}
	}
}

// quoted marks a row of a single, quoted, empty value: not an empty line.
func (r *rowReader) quoted() bool { return r.ends[0] < 0 }

// row reads to the end of a row.
func (r *rowReader) row() error {
	for {
		end, quoted, err := r.value()
		mark := len(r.text)
		if quoted && end && len(r.ends) == 0 && mark == 0 {
			mark = -1
		}
		r.ends = append(r.ends, mark)
		if err != nil || end {
			return err
		}
	}
}

// value appends one value. end says that it was the row's last.
func (r *rowReader) value() (end, quoted bool, err error) {
	c, err := r.in.ReadByte()
	if err != nil {
		return true, false, err
	}
	if c == '"' {
		end, err = r.quotedValue()
		return end, true, err
	}
	for {
		switch c {
		case ',':
			return false, false, nil
		case '\n':
			r.trimReturn()
			return true, false, nil
		case '"':
			return true, false, errStrayQuote
		}
		if r.text = append(r.text, c); len(r.text) > maxRow {
			return true, false, errLongRow
		}
		if c, err = r.in.ReadByte(); err != nil {
			return true, false, eofEnds(err)
		}
	}
}

// eofEnds lets the end of the input end a row.
func eofEnds(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// trimReturn takes a carriage return before the row's end off an unquoted value.
func (r *rowReader) trimReturn() {
	from := 0
	if n := len(r.ends); n > 0 {
		from = r.ends[n-1]
	}
	if n := len(r.text); n > from && r.text[n-1] == '\r' {
		r.text = r.text[:n-1]
	}
}

func (r *rowReader) quotedValue() (end bool, err error) {
	for {
		part, err := r.in.ReadSlice('"')
		full := errors.Is(err, bufio.ErrBufferFull)
		switch {
		case err == nil:
			part = part[:len(part)-1]
		case errors.Is(err, io.EOF):
			return true, errOpenQuote
		case !full:
			return true, err
		}
		if r.text = append(r.text, part...); len(r.text) > maxRow {
			return true, errLongRow
		}
		if full {
			continue
		}
		if more, end, err := r.afterQuote(); !more {
			return end, err
		}
	}
}

// afterQuote decides what a quote inside a quoted value means: half of a doubled
// one (more), or the value's end.
func (r *rowReader) afterQuote() (more, end bool, err error) {
	c, err := r.in.ReadByte()
	if err != nil {
		return false, true, eofEnds(err)
	}
	if c == '\r' {
		if c, err = r.in.ReadByte(); err != nil || c != '\n' {
			return false, true, errors.Join(errAfterQuote, eofEnds(err))
		}
	}
	switch c {
	case '"':
		r.text = append(r.text, '"')
		return true, false, nil
	case ',':
		return false, false, nil
	case '\n':
		return false, true, nil
	}
	return false, true, errAfterQuote
}

// cut makes the row of what was collected: one string, the values parts of it.
func (r *rowReader) cut(into []string) []string {
	all, from := string(r.text), 0
	into = into[:0]
	for _, end := range r.ends {
		end = max(end, 0)
		into = append(into, all[from:end])
		from = end
	}
	return into
}
