package bulk

import "io"

// ReadRows decodes a whole text, for tests of the decoder alone.
func ReadRows(in io.Reader) (rows [][]string, err error) {
	r := newRowReader(in)
	for {
		row, err := r.read(nil)
		if err == io.EOF {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		rows = append(rows, row)
	}
}
