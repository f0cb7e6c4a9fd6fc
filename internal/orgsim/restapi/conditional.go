package restapi

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/sallyport-dev/sallyport/internal/orgsim/record"
	"github.com/sallyport-dev/sallyport/internal/orgsim/schema"
	"github.com/sallyport-dev/sallyport/internal/salesforce"
)

// Conditional requests. ETags exist for Account records only; dates apply to any
// record, and to describes. DELETE ignores all of them.

// condition is what the headers of a call ask for.
type condition struct {
	match, noneMatch          []string // nil when absent
	modified, unmodifiedSince time.Time
}

// condition reads the headers. A value that cannot be read is refused on writes and
// ignored on reads.
func (c *call) condition() (condition, error) {
	var cond condition
	cond.match, cond.noneMatch = tagsOf(c.r.Header.Values("If-Match")), tagsOf(c.r.Header.Values("If-None-Match"))
	for name, into := range map[string]*time.Time{"If-Modified-Since": &cond.modified, "If-Unmodified-Since": &cond.unmodifiedSince} {
		given := c.r.Header.Get(name)
		if given == "" {
			continue
		}
		at, err := http.ParseTime(given)
		if err != nil && c.method != http.MethodGet && c.method != http.MethodHead {
			return cond, badRequest("INVALID_HTTP_HEADER", "Bad value for header %s: %s", name, given)
		}
		*into = at
	}
	return cond, nil
}

func tagsOf(values []string) []string {
	var tags []string
	for _, tag := range strings.Split(strings.Join(values, ","), ",") {
		tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
		tag = strings.TrimSuffix(strings.Trim(tag, `"`), "-gzip")
		if tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}

// check answers 304 or 412 where the condition does not hold for a thing with this
// tag (empty for none) and time of change, nil otherwise.
func (cond condition) check(method, tag string, changed time.Time) *problem {
	reads := method == http.MethodGet || method == http.MethodHead
	failed := &problem{status: http.StatusPreconditionFailed, code: "PRECONDITION_FAILED", message: "A precondition header of the request does not hold"}
	switch {
	case tag != "" && cond.match != nil && !hasTag(cond.match, tag):
		return failed
	case tag != "" && cond.noneMatch != nil && hasTag(cond.noneMatch, tag):
		if reads {
			return notModified()
		}
		return failed
	case !cond.unmodifiedSince.IsZero() && changed.After(cond.unmodifiedSince):
		return failed
	case !cond.modified.IsZero() && !changed.After(cond.modified):
		if reads {
			return notModified()
		}
		return failed
	}
	return nil
}

func notModified() *problem { return &problem{status: http.StatusNotModified} }

func hasTag(tags []string, tag string) bool {
	for _, t := range tags {
		if t == tag || t == "*" {
			return true
		}
	}
	return false
}

// etag is the tag of a row: it changes with every save.
func etag(o *schema.Object, row record.Row) string {
	if o.Name != "Account" {
		return ""
	}
	changed, _ := row["SystemModstamp"].(time.Time)
	p := &page{}
	p.record("", o, row, o.Fields)
	sum := sha1.Sum(append(p.buf, changed.String()...))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// checkRow applies the call's condition to a row and states the row's tag.
func (c *call) checkRow(o *schema.Object, row record.Row) error {
	cond, err := c.condition()
	if err != nil {
		return err
	}
	tag := etag(o, row)
	changed, _ := row["SystemModstamp"].(time.Time)
	if tag != "" {
		c.w.Header().Set("ETag", `"`+tag+`"`)
	}
	if !changed.IsZero() {
		c.w.Header().Set("Last-Modified", changed.UTC().Format(http.TimeFormat))
	}
	if problem := cond.check(c.method, tag, changed); problem != nil {
		return problem
	}
	return nil
}

// isConditional says that a write has to read the record first.
func (c *call) isConditional() bool {
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		if c.r.Header.Get(name) != "" {
			return true
		}
	}
	return false
}

// mayUpdate applies the condition of a PATCH to the record as it is.
func (c *call) mayUpdate(tx *record.Tx, o *schema.Object, id salesforce.ID) error {
	if !c.isConditional() {
		return nil
	}
	row, err := tx.Get(o, id)
	if err != nil {
		return nil // the update itself says what is wrong with the record
	}
	return c.checkRow(o, row)
}

// checkMetadata answers 304 to a describe that the client has: nothing changes
// while the org runs.
func (a *API) checkMetadata(c *call) error {
	cond, err := c.condition()
	if err != nil {
		return err
	}
	cond.match, cond.noneMatch = nil, nil
	c.w.Header().Set("Last-Modified", a.started.Format(http.TimeFormat))
	if problem := cond.check(c.method, "", a.started); problem != nil {
		return problem
	}
	return nil
}
