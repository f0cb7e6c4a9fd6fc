package bulkapi

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// asyncNamespace is the XML namespace of Bulk API 1.0.
const asyncNamespace = "http://www.force.com/2009/06/asyncapi/dataload"

// classicInfo is jobInfo, in requests and answers.
type classicInfo struct {
	XMLName         xml.Name  `xml:"jobInfo"`
	Namespace       string    `xml:"xmlns,attr,omitempty"`
	ID              string    `xml:"id,omitempty"`
	Operation       operation `xml:"operation"`
	Object          string    `xml:"object"`
	CreatedByID     string    `xml:"createdById,omitempty"`
	CreatedDate     string    `xml:"createdDate,omitempty"`
	SystemModstamp  string    `xml:"systemModstamp,omitempty"`
	State           string    `xml:"state"`
	ExternalID      string    `xml:"externalIdFieldName,omitempty"`
	ConcurrencyMode string    `xml:"concurrencyMode"`
	ContentType     string    `xml:"contentType"`
	Queued          int       `xml:"numberBatchesQueued"`
	InProgress      int       `xml:"numberBatchesInProgress"`
	Completed       int       `xml:"numberBatchesCompleted"`
	Failed          int       `xml:"numberBatchesFailed"`
	Total           int       `xml:"numberBatchesTotal"`
	Processed       int       `xml:"numberRecordsProcessed"`
	Retries         int       `xml:"numberRetries"`
	APIVersion      string    `xml:"apiVersion"`
	RecordsFailed   int       `xml:"numberRecordsFailed"`
	times
}

type times struct {
	Total  int64 `xml:"totalProcessingTime"`
	Active int64 `xml:"apiActiveProcessingTime"`
	Apex   int64 `xml:"apexProcessingTime"`
}

// batchInfo describes a batch.
type batchInfo struct {
	XMLName        xml.Name `xml:"batchInfo"`
	Namespace      string   `xml:"xmlns,attr,omitempty"`
	ID             string   `xml:"id"`
	JobID          string   `xml:"jobId"`
	State          string   `xml:"state"`
	StateMessage   string   `xml:"stateMessage,omitempty"`
	CreatedDate    string   `xml:"createdDate"`
	SystemModstamp string   `xml:"systemModstamp"`
	Processed      int      `xml:"numberRecordsProcessed"`
	RecordsFailed  int      `xml:"numberRecordsFailed"`
	times
}

// batchList is what GET on a job's batches answers.
type batchList struct {
	XMLName   xml.Name    `xml:"batchInfoList"`
	Namespace string      `xml:"xmlns,attr"`
	Batches   []batchInfo `xml:"batchInfo"`
}

// resultList names the results of a query's batch.
type resultList struct {
	XMLName   xml.Name `xml:"result-list"`
	Namespace string   `xml:"xmlns,attr"`
	Results   []string `xml:"result"`
}

type classicError struct {
	XMLName   xml.Name `xml:"error"`
	Namespace string   `xml:"xmlns,attr"`
	Code      string   `xml:"exceptionCode"`
	Message   string   `xml:"exceptionMessage"`
}

func classicTime(t time.Time) string {
	return t.UTC().Truncate(time.Second).Format("2006-01-02T15:04:05.000Z")
}

// info describes the job with what its batches have done.
func (c *classic) info() classicInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := classicInfo{
		Namespace: asyncNamespace, ID: string(c.id), Operation: c.operation, Object: c.object.Name, CreatedByID: string(c.user),
		CreatedDate: classicTime(c.created), SystemModstamp: classicTime(c.modified), State: c.state, ConcurrencyMode: "Parallel",
		ContentType: "CSV", Total: len(c.batches), APIVersion: fmt.Sprintf("%d.0", c.version),
	}
	if c.externalID != nil {
		i.ExternalID = c.externalID.Name
	}
	for _, j := range c.batches {
		b := j.batchInfo()
		switch b.State {
		case "Queued":
			i.Queued++
		case "InProgress":
			i.InProgress++
		case "Completed":
			i.Completed++
		case "Failed":
			i.Failed++
		}
		i.Processed, i.RecordsFailed = i.Processed+b.Processed, i.RecordsFailed+b.RecordsFailed
		i.times.Total, i.Active = i.times.Total+b.times.Total, i.Active+b.Active
	}
	return i
}

// batchInfo describes a batch in the words of Bulk API 1.0.
func (j *job) batchInfo() batchInfo {
	j.mu.Lock()
	defer j.mu.Unlock()
	state := map[State]string{UploadComplete: "Queued", JobComplete: "Completed", Aborted: "NotProcessed"}[j.state]
	if state == "" {
		state = string(j.state)
	}
	took := j.took.Milliseconds()
	return batchInfo{
		Namespace: asyncNamespace, ID: string(j.id), JobID: string(j.classic), State: state, StateMessage: j.message,
		CreatedDate: classicTime(j.created), SystemModstamp: classicTime(j.modified), Processed: j.processed, RecordsFailed: j.failed,
		times: times{Total: took, Active: took},
	}
}

// resultID names the one result of a query's batch.
func (j *job) resultID() salesforce.ID { return newID("752", j.number) }

func writeXML(w http.ResponseWriter, status int, body any) error {
	text, err := xml.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode answer: %w", err)
	}
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+string(text)) // the client may be gone
	return nil
}

func readXML(c *call, v any) error {
	if err := xml.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxJSON)).Decode(v); err != nil {
		return badRequest("InvalidXML", "Unable to read XML: %v", err)
	}
	return nil
}

// classicProblem words a refusal as Bulk API 1.0 does: the code in mixed case and
// not again in the message.
func classicProblem(p *problem) classicError {
	e := classicError{Namespace: asyncNamespace, Code: p.code, Message: p.message}
	if code, message, ok := strings.Cut(p.message, " : "); ok && strings.EqualFold(code, p.code) {
		e.Code, e.Message = code, message
	}
	switch p.code {
	case codeAPIError:
		e.Code = "InvalidJob"
	case "NOT_FOUND":
		e.Code = "NotFound"
	case "INVALID_SESSION_ID", "INVALID_AUTH_HEADER":
		e.Code, e.Message = "InvalidSessionId", "Invalid session id"
	case "UNKNOWN_EXCEPTION":
		e.Code = "Unknown"
	}
	return e
}
