package bulkapi

import (
	"io"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Settled is closed when the job's worker is done.
func Settled(a *API, id string) <-chan struct{} {
	a.jobs.mu.Lock()
	defer a.jobs.mu.Unlock()
	return a.jobs.byID[salesforce.ID(id)].settled
}

// Dir is the folder of the jobs' files.
func Dir(a *API) string { return a.spool.dir }

// ReadCSV reads a whole file as a job does and returns its rows and flaws.
func ReadCSV(in io.Reader, delimiter, ending string) (rows [][]string, flaws []string, err error) {
	f, err := formatOf(delimiter, ending, "")
	if err != nil {
		return nil, nil, err
	}
	r := newCSVReader(in, f)
	for {
		row, err := r.read()
		if err == io.EOF {
			return rows, flaws, nil
		}
		if err != nil {
			return rows, flaws, err
		}
		rows, flaws = append(rows, row.cells), append(flaws, row.flaw)
	}
}

// WriteCSV writes rows as results are written.
func WriteCSV(rows [][]string, delimiter, ending string) []byte {
	f, _ := formatOf(delimiter, ending, "")
	var buf []byte
	for _, row := range rows {
		buf = appendRow(buf, f, row)
	}
	return buf
}
