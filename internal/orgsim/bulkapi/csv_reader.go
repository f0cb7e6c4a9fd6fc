package bulkapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// Limits of a row, in characters and fields.
const (
	maxHeader = 32_000
	maxFields = 5_000
	maxField  = 131_072
	maxRecord = 400_000
	// maxRaw is where reading gives up looking for the end of a row.
	maxRaw = 16 << 20
)

// fileError is what makes a whole file unreadable, in the words of the job's errorMessage.
type fileError struct{ message string }

func (e *fileError) Error() string { return e.message }

func unreadable(format string, args ...any) *fileError {
	return &fileError{fmt.Sprintf(format, args...)}
}

// unescapedQuote is the org's text, the missing article included.
const unescapedQuote = "Failed to parse CSV. Found unescaped quote. A value with quote should be within a quote"

// csvReader reads a job's file row by row. It is stricter than RFC 4180 where the
// API is: line ends must be the declared ones, quotes stand around a whole value.
type csvReader struct {
	in     *bufio.Reader
	format format
	offset int64 // of the first byte after the row that was read last
	line   []byte
	values []byte
	ends   []int
}

func newCSVReader(in io.Reader, f format) *csvReader {
	return &csvReader{in: bufio.NewReaderSize(in, 256<<10), format: f}
}

// csvRow is one row. Its cells are the caller's to keep. flaw says why the row by
// itself cannot be used, empty for a good one.
type csvRow struct {
	cells []string
	flaw  string
}

// read returns the next row; io.EOF after the last. A [*fileError] ends the file.
// Empty lines are no rows.
func (r *csvReader) read() (csvRow, error) {
	for {
		if err := r.readLine(); err != nil {
			return csvRow{}, err
		}
		line, err := r.trimEnding()
		if err != nil {
			return csvRow{}, err
		}
		if len(line) > 0 {
			return r.split(line)
		}
	}
}

// readLine takes lines until the quotes in them are even: a newline inside quotes
// belongs to the value.
func (r *csvReader) readLine() error {
	r.line = r.line[:0]
	quotes := 0
	for {
		part, err := r.in.ReadSlice('\n')
		r.line = append(r.line, part...)
		r.offset += int64(len(part))
		quotes += bytes.Count(part, []byte{'"'})
		switch {
		case len(r.line) > maxRaw:
			return unreadable("InvalidBatch : Failed to parse CSV. A row is larger than %d bytes", maxRaw)
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(r.line) == 0:
			return io.EOF
		case errors.Is(err, io.EOF) && quotes%2 == 1:
			return unreadable("InvalidBatch : %s", "Failed to parse CSV. EOF reached before closing an opened quote")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read upload: %w", err)
		case quotes%2 == 0:
			return nil
		}
	}
}

// trimEnding removes the line's end, which must be the declared one. The last line may have none.
func (r *csvReader) trimEnding() ([]byte, error) {
	line, ended := bytes.CutSuffix(r.line, []byte{'\n'})
	bare, carriage := bytes.CutSuffix(line, []byte{'\r'})
	switch {
	case !ended && !carriage:
		return line, nil
	case ended && carriage == r.format.crlf:
		return bare, nil
	}
	return nil, unreadable("ClientInputError : LineEnding is invalid on user data. Current LineEnding setting is %s", r.format.ending())
}

// split cuts a row into its cells.
func (r *csvReader) split(line []byte) (csvRow, error) {
	if !utf8.Valid(line) {
		return csvRow{}, unreadable("ClientInputError : The file is not UTF-8 encoded")
	}
	r.values, r.ends = r.values[:0], r.ends[:0]
	flaw := ""
	for {
		rest, spaced, err := r.cell(line)
		if err != nil {
			return csvRow{}, err
		}
		if spaced {
			flaw = unescapedQuote
		}
		r.ends = append(r.ends, len(r.values))
		if rest == nil {
			break
		}
		line = rest
	}
	row := r.cut()
	if row.flaw = flaw; flaw == "" {
		row.flaw = tooLarge(row.cells, len(r.values))
	}
	return row, nil
}

// cell appends the first cell's value and returns what follows its delimiter, nil
// at the end. spaced says that a blank stands between a quote and the cell's border.
func (r *csvReader) cell(line []byte) (rest []byte, spaced bool, err error) {
	if len(line) == 0 || line[0] != '"' {
		value, rest, more := bytes.Cut(line, []byte{r.format.comma})
		if quote := bytes.IndexByte(value, '"'); quote >= 0 {
			if len(bytes.Trim(value[:quote], " ")) > 0 {
				return nil, false, unreadable("InvalidBatch : %s", unescapedQuote)
			}
			spaced = true
		}
		r.values = append(r.values, value...)
		return following(rest, more), spaced, nil
	}
	line = line[1:]
	for {
		quote := bytes.IndexByte(line, '"')
		if quote < 0 { // quotes are even, so this is one that a bare quote before it paired with
			return nil, false, unreadable("InvalidBatch : %s", unescapedQuote)
		}
		r.values = append(r.values, line[:quote]...)
		line = line[quote+1:]
		if len(line) == 0 || line[0] != '"' {
			break
		}
		r.values = append(r.values, '"')
		line = line[1:]
	}
	between, rest, more := bytes.Cut(line, []byte{r.format.comma})
	if len(bytes.Trim(between, " ")) > 0 {
		return nil, false, unreadable("InvalidBatch : %s", unescapedQuote)
	}
	return following(rest, more), len(between) > 0, nil
}

func following(rest []byte, more bool) []byte {
	switch {
	case !more:
		return nil
	case rest == nil:
		return []byte{}
	}
	return rest
}

// cut makes the row of the values collected: one string, and the cells as parts of it.
func (r *csvReader) cut() csvRow {
	all := string(r.values)
	cells := make([]string, len(r.ends))
	from := 0
	for i, end := range r.ends {
		cells[i] = all[from:end]
		from = end
	}
	return csvRow{cells: cells}
}

func tooLarge(cells []string, size int) string {
	if len(cells) > maxFields {
		return fmt.Sprintf("A record can have at most %d fields", maxFields)
	}
	if size <= maxField {
		return ""
	}
	total := 0
	for _, cell := range cells {
		n := utf8.RuneCountInString(cell)
		if total += n; n > maxField {
			return fmt.Sprintf("A field can have at most %d characters", maxField)
		}
	}
	if total > maxRecord {
		return fmt.Sprintf("A record can have at most %d characters", maxRecord)
	}
	return ""
}
