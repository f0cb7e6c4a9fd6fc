package bulkapi

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"

	"github.com/sallyport-dev/sallyport/internal/orgsim/fault"
)

// parallelPages is how many pages one answer of resultPages names.
const parallelPages = 5

// place is a page of a result: where it begins and how many records it has.
type place struct{ from, count int64 }

// locator writes a place so that clients cannot but take it as it is.
func (p place) locator() string {
	var raw [13]byte
	raw[0] = 1
	binary.BigEndian.PutUint64(raw[1:], uint64(p.from))
	binary.BigEndian.PutUint32(raw[9:], uint32(p.count))
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

// placeOf reads a locator of a result with so many records.
func placeOf(locator string, rows int64) (place, error) {
	raw, err := base64.RawURLEncoding.DecodeString(locator)
	if err != nil || len(raw) != 13 || raw[0] != 1 {
		return place{}, badRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	p := place{from: int64(binary.BigEndian.Uint64(raw[1:])), count: int64(binary.BigEndian.Uint32(raw[9:]))}
	if p.from < 0 || p.from >= max(rows, 1) || p.count < 1 {
		return place{}, badRequest("INVALID_QUERY_LOCATOR", "invalid query locator")
	}
	return p, nil
}

// resultsReadable checks that the job has ended well and that the version is its own.
func (a *API) resultsReadable(c *call, j *job) error {
	if _, gone := a.cfg.Faults.Take(fault.BulkResultsGone, j.point(http.MethodGet)); gone {
		return missing()
	}
	if c.version != j.version {
		return &problem{
			http.StatusConflict, codeAPIError,
			fmt.Sprintf("The results of the job must be read with API version %d.0, which created it", j.version),
		}
	}
	if state := j.currentState(); state != JobComplete {
		return badRequest(codeJobState, "Results of a Job in state %s not allowed", state)
	}
	return j.wait(c.r.Context())
}

// servePage answers one page of the result: sequential paging.
func (a *API) servePage(c *call, j *job) error {
	params := c.r.URL.Query()
	rows := j.count64()
	p := place{count: int64(a.cfg.PageRows)}
	if locator := params.Get("locator"); locator != "" && locator != "null" {
		var err error
		if p, err = placeOf(locator, rows); err != nil {
			return err
		}
	}
	if given := params.Get("maxRecords"); given != "" {
		n, err := strconv.ParseInt(given, 10, 32)
		if err != nil || n < 1 {
			return invalidValue(given, "maxRecords")
		}
		p.count = n
	}
	until := min(p.from+p.count, rows)
	next := "null" // the word is what the org sends
	if until < rows {
		next = place{from: until, count: p.count}.locator()
	}
	c.w.Header().Set("Sforce-NumberOfRecords", strconv.FormatInt(until-p.from, 10))
	c.w.Header().Set("Sforce-Locator", next)
	return a.sendPage(c, j, p.from, until)
}

// sendPage copies the header and the records' part of the file.
func (a *API) sendPage(c *call, j *job, from, until int64) error {
	result, err := a.spool.open(j.id, resultFile)
	if err != nil {
		return err
	}
	defer result.Close() // nothing was written
	index, err := a.spool.open(j.id, indexFile)
	if err != nil {
		return err
	}
	defer index.Close() // nothing was written
	var offsets [3]int64
	for i, n := range []int64{0, from, until} {
		if offsets[i], err = offsetOf(index, n); err != nil {
			return err
		}
	}
	out, finish := c.writeCSV()
	defer finish()
	if _, err := io.Copy(out, io.LimitReader(result, offsets[0])); err != nil {
		return a.sent(err)
	}
	if _, err := result.Seek(offsets[1], io.SeekStart); err != nil {
		return a.sent(err)
	}
	_, err = io.Copy(out, io.LimitReader(result, offsets[2]-offsets[1]))
	return a.sent(err)
}

// offsetOf says where the n-th record begins, counted from 0.
func offsetOf(index *os.File, n int64) (int64, error) {
	var raw [8]byte
	if _, err := index.ReadAt(raw[:], n*int64(len(raw))); err != nil {
		return 0, fmt.Errorf("read index of result: %w", err)
	}
	return int64(binary.LittleEndian.Uint64(raw[:])), nil
}

// resultPages names pages that can be read side by side.
type resultPages struct {
	Pages []resultPage `json:"resultPages"`
	Next  string       `json:"nextRecordsUrl,omitempty"`
	Done  bool         `json:"done"`
}

type resultPage struct {
	URL string `json:"resultUrl"`
}

// servePages answers up to five pages and where the next ones are told.
func (a *API) servePages(c *call, j *job) error {
	if c.version < pagesVersion {
		return missing()
	}
	rows, base := j.count64(), "/"+j.path()
	p := place{count: int64(a.cfg.PageRows)}
	if locator := c.r.URL.Query().Get("locator"); locator != "" {
		var err error
		if p, err = placeOf(locator, rows); err != nil {
			return err
		}
	}
	answer := resultPages{Pages: []resultPage{}}
	for len(answer.Pages) < parallelPages && (p.from < rows || rows == 0) {
		answer.Pages = append(answer.Pages, resultPage{base + "/results?locator=" + p.locator()})
		if p.from += p.count; rows == 0 {
			break
		}
	}
	if answer.Done = p.from >= rows; !answer.Done {
		answer.Next = base + "/resultpages?locator=" + p.locator()
	}
	writeJSON(c.w, http.StatusOK, answer)
	return nil
}
